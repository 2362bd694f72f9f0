"""Online Boutique: eleven services, gRPC behind an HTTP front, redis for carts."""
from steps import Shop, call, inner, loop, maybe, store, work

CATALOG, CURRENCY, CART = "productcatalogservice", "currencyservice", "cartservice"
currencies = call(CURRENCY, "GetSupportedCurrencies")
convert = call(CURRENCY, "Convert")
product = call(CATALOG, "GetProduct")
cart = call(CART, "GetCart")
recommend = call("recommendationservice", "ListRecommendations", soft=True)
ads = call("adservice", "GetAds", soft=True)
quote = call("shippingservice", "GetQuote")

PROGRAMS = {
    ("frontend", "GET /"): [work(1), currencies, call(CATALOG, "ListProducts"), cart, loop(6, 9, convert), work(1.5), ads, work(1)],
    ("frontend", "GET /product/{id}"): [work(1), product, currencies, cart, convert, work(0.5), recommend, ads, work(1.5)],
    ("frontend", "POST /setCurrency"): [work(0.8)],
    ("frontend", "GET /cart"): [work(1), currencies, cart, recommend, quote, loop(0, 4, product, convert), convert, work(2)],
    ("frontend", "POST /cart"): [work(0.8), product, call(CART, "AddItem"), work(0.5)],
    ("frontend", "POST /cart/checkout"): [work(1.2), call("checkoutservice", "PlaceOrder"), recommend, currencies, work(1.5)],

    ("checkoutservice", "PlaceOrder"): [
        work(0.7),
        inner("prepareOrderItemsAndShippingQuoteFromCart", cart, loop(1, 4, product, convert), quote, convert),
        work(0.6), call("paymentservice", "Charge"), call("shippingservice", "ShipOrder"), call(CART, "EmptyCart", soft=True),
        call("emailservice", "SendOrderConfirmation", soft=True), work(0.4)],
    (CATALOG, "ListProducts"): [work(1.5)],
    (CATALOG, "GetProduct"): [work(0.6)],
    (CURRENCY, "GetSupportedCurrencies"): [work(0.5)],
    (CURRENCY, "Convert"): [work(0.7)],
    (CART, "GetCart"): [work(0.5), store("redis-cart", "HGET", 0.6), work(0.3)],
    (CART, "AddItem"): [work(0.5), store("redis-cart", "HGET", 0.6), work(0.3), store("redis-cart", "HMSET", 0.8, True)],
    (CART, "EmptyCart"): [work(0.4), store("redis-cart", "HMSET", 0.8, True)],
    ("recommendationservice", "ListRecommendations"): [
        work(1.2), inner("get_product_list", call(CATALOG, "ListProducts")), work(1.8)],
    ("adservice", "GetAds"): [work(0.8), inner("getAdsByCategory", maybe(0.6, work(0.9))), work(0.3)],
    ("shippingservice", "GetQuote"): [work(0.3), inner("CreateQuoteFromCount", work(0.3))],
    ("shippingservice", "ShipOrder"): [work(0.4), inner("CreateTrackingId", work(0.2))],
    ("paymentservice", "Charge"): [work(1.5)],
    ("emailservice", "SendOrderConfirmation"): [work(2.5), inner("render_template", work(1.5))],
}

MIX = {("frontend", "GET /"): 2, ("frontend", "GET /product/{id}"): 6, ("frontend", "POST /setCurrency"): 1,
       ("frontend", "GET /cart"): 2, ("frontend", "POST /cart"): 3, ("frontend", "POST /cart/checkout"): 2}

BOUTIQUE = Shop("online-boutique", "grpc", "frontend", PROGRAMS, MIX, {"redis-cart": "redis"}, internals=0.25)
