"""The applications whose look-alikes are drawn."""
from boutique import BOUTIQUE

SHOPS = [BOUTIQUE]
