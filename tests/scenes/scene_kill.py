"""Five kills under load (make torture has two hundred)."""
import kill


def scene_kills_under_http_grpc_and_kafka_lose_and_double_nothing(c):
    kill.run(c, 5, seed=42)
