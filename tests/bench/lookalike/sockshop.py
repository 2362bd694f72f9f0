"""Sock Shop: thirteen services, HTTP, a database each behind four of them, a queue behind shipping."""
from steps import Shop, call, inner, loop, maybe, par, send, store, work

customer = call("user", "GET /customers/{id}")
items = call("carts", "GET /carts/{id}/items")
sock = call("catalogue", "GET /catalogue/{id}")

PROGRAMS = {
    ("edge-router", "GET /"): [work(0.2), call("front-end", "GET /"), work(0.1)],
    ("edge-router", "GET /category.html"): [work(0.2), call("front-end", "GET /catalogue"), work(0.1)],
    ("edge-router", "GET /detail.html"): [work(0.2), call("front-end", "GET /catalogue/{id}"), work(0.1)],
    ("edge-router", "GET /login"): [work(0.2), call("front-end", "GET /login"), work(0.1)],
    ("edge-router", "GET /basket.html"): [work(0.2), call("front-end", "GET /cart"), work(0.1)],
    ("edge-router", "POST /cart"): [work(0.2), call("front-end", "POST /cart"), work(0.1)],
    ("edge-router", "POST /orders"): [work(0.2), call("front-end", "POST /orders"), work(0.1)],

    ("front-end", "GET /"): [work(1.2)],
    ("front-end", "GET /catalogue"): [
        work(0.8), par(call("catalogue", "GET /catalogue"), call("catalogue", "GET /tags"), call("catalogue", "GET /catalogue/size")), work(1)],
    ("front-end", "GET /catalogue/{id}"): [work(0.8), sock, call("catalogue", "GET /catalogue", soft=True), work(0.6)],
    ("front-end", "GET /login"): [work(0.7), call("user", "GET /login"), call("carts", "GET /carts/{id}/merge", soft=True), work(0.3)],
    ("front-end", "GET /cart"): [work(0.7), items, loop(0, 3, sock), work(0.9)],
    ("front-end", "POST /cart"): [work(0.7), sock, call("carts", "POST /carts/{id}/items"), work(0.4)],
    ("front-end", "POST /orders"): [work(0.8), customer, call("orders", "POST /orders"), work(0.5)],

    ("catalogue", "GET /catalogue"): [
        work(0.4), inner("list socks", store("catalogue-db", "SELECT sock JOIN sock_tag", 1.8), work(0.6))],
    ("catalogue", "GET /catalogue/size"): [work(0.3), inner("count socks", store("catalogue-db", "SELECT COUNT sock", 0.9))],
    ("catalogue", "GET /catalogue/{id}"): [work(0.3), inner("get sock", store("catalogue-db", "SELECT sock", 1.0)), work(0.2)],
    ("catalogue", "GET /tags"): [work(0.3), inner("tags", store("catalogue-db", "SELECT tag", 0.8))],

    ("carts", "GET /carts/{id}/items"): [work(1.5), store("carts-db", "find cart", 1.0), maybe(0.1, store("carts-db", "insert cart", 1.6, True)),
                                         work(0.7)],
    ("carts", "GET /carts/{id}/merge"): [work(1.2), store("carts-db", "find cart", 1.0), store("carts-db", "update cart", 1.6, True)],
    ("carts", "POST /carts/{id}/items"): [work(1.5), store("carts-db", "find cart", 1.0), store("carts-db", "insert item", 1.5, True),
                                          store("carts-db", "update cart", 1.6, True), work(0.5)],
    ("carts", "DELETE /carts/{id}"): [work(1.2), store("carts-db", "delete cart", 1.5, True)],

    ("user", "GET /login"): [work(0.6), inner("login from db", store("user-db", "find customers", 0.9)),
                             inner("attributes from db", store("user-db", "find addresses", 0.8), store("user-db", "find cards", 0.8))],
    ("user", "GET /customers/{id}"): [work(0.4), inner("users from db", store("user-db", "find customers", 0.9))],
    ("user", "GET /addresses/{id}"): [work(0.4), inner("addresses from db", store("user-db", "find addresses", 0.8))],
    ("user", "GET /cards/{id}"): [work(0.4), inner("cards from db", store("user-db", "find cards", 0.8))],

    ("orders", "POST /orders"): [
        work(2.5),
        inner("AsyncGetService.collect", par(call("user", "GET /addresses/{id}"), customer, call("user", "GET /cards/{id}"), items)),
        work(1), call("payment", "POST /paymentAuth"), call("shipping", "POST /shipping"),
        inner("CustomerOrderRepository.save", store("orders-db", "insert customerOrder", 1.8, True)),
        call("carts", "DELETE /carts/{id}", soft=True), work(0.8)],
    ("payment", "POST /paymentAuth"): [work(0.5), inner("authorise payment", work(0.3))],
    ("shipping", "POST /shipping"): [work(1.2), send("shipping-task", "queue-master", "shipping-task process"), work(0.4)],
    ("queue-master", "shipping-task process"): [work(3), inner("DockerSpawner.spawn", work(6))],
}

MIX = {("edge-router", "GET /"): 2, ("edge-router", "GET /category.html"): 3, ("edge-router", "GET /detail.html"): 3,
       ("edge-router", "GET /login"): 1.5, ("edge-router", "GET /basket.html"): 2, ("edge-router", "POST /cart"): 2.5,
       ("edge-router", "POST /orders"): 2.5}

SOCK_SHOP = Shop("sock-shop", "http", "edge-router", PROGRAMS, MIX,
                 {"catalogue-db": "mysql", "carts-db": "mongodb", "user-db": "mongodb", "orders-db": "mongodb"}, internals=0.4)
