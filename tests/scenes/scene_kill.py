"""Ten kills under load (make torture has two hundred)."""
import kill


def scene_ten_kills_lose_and_double_nothing(c):
    kill.run(c, 10, seed=42)
