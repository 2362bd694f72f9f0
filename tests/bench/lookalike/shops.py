"""The applications whose look-alikes are drawn."""
from boutique import BOUTIQUE
from sockshop import SOCK_SHOP
from trainticket import TRAIN_TICKET

SHOPS = [BOUTIQUE, SOCK_SHOP, TRAIN_TICKET]
