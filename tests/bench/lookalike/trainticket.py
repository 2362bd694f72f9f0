"""TrainTicket: thirty services in Spring, most with a database of their own; chains six deep, INTERNAL spans for layers.

`endpoint` makes the layers which Spring's instrumentation writes: the controller's method, the service's, the repository's.
"""
from steps import Shop, call, inner, loop, maybe, par, store, work

PROGRAMS, STORES = {}, {}


def endpoint(service, operation, method, *steps, ms=1.5):
    stem = "".join(word.capitalize() for word in service.split("-")[1:-1])
    PROGRAMS[service, operation] = [
        work(ms * 0.4), inner("%sController.%s" % (stem, method), work(ms * 0.2), inner("%sServiceImpl.%s" % (stem, method), work(ms * 0.4),
                                                                                       *steps, work(ms * 0.2)))]


def table(service, entity, method, ms=1.2, write=False):
    node = service[:-len("-service")] + "-mysql"
    STORES[node] = "mysql"
    verb = "INSERT" if write else "SELECT"
    return inner("%sRepository.%s" % (entity, method), work(0.2), store(node, "%s %s" % (verb, entity.lower()), ms, write))


def row(service, operation, entity, method, ms=1.2, write=False):
    """An endpoint that only asks its own table."""
    endpoint(service, operation, method, table(service, entity, method, ms, write))


row("ts-station-service", "GET /stations/id/{name}", "Station", "findByName")
row("ts-station-service", "POST /stations/idlist", "Station", "findByNames", 1.8)
row("ts-train-service", "GET /trains/byName/{name}", "TrainType", "findByName")
row("ts-route-service", "GET /routes/{id}", "Route", "findById")
row("ts-price-service", "GET /prices/{route}/{type}", "PriceConfig", "findByRouteIdAndTrainType")
row("ts-config-service", "GET /configs/{name}", "Config", "findByName", 0.9)
row("ts-order-service", "POST /order/tickets", "Order", "findByTravelDateAndTrainNumber", 2.0)
row("ts-order-service", "POST /order", "Order", "save", 2.2, True)
row("ts-order-service", "POST /order/query", "Order", "findByAccountId", 1.8)
row("ts-order-service", "GET /order/{id}", "Order", "findById")
row("ts-order-service", "PUT /order/status", "Order", "update", 2.0, True)
row("ts-order-other-service", "POST /orderOther/tickets", "OrderOther", "findByTravelDateAndTrainNumber", 2.0)
row("ts-order-other-service", "POST /orderOther/query", "OrderOther", "findByAccountId", 1.8)
row("ts-contacts-service", "GET /contacts/account/{id}", "Contacts", "findByAccountId")
row("ts-contacts-service", "GET /contacts/{id}", "Contacts", "findById")
row("ts-assurance-service", "GET /assurances/types", "Assurance", "types", 0.6)
row("ts-assurance-service", "POST /assurances", "Assurance", "save", 1.9, True)
row("ts-train-food-service", "GET /trainfoods/{trip}", "TrainFood", "findByTripId")
row("ts-station-food-service", "POST /stationfoods/stores", "StationFood", "findByStationNames", 1.6)
row("ts-consign-price-service", "GET /consignprice/{weight}", "ConsignPrice", "findByIndex")
row("ts-user-service", "GET /users/id/{id}", "User", "findByUserId")
row("ts-payment-service", "POST /payment", "Payment", "save", 2.0, True)
endpoint("ts-verification-code-service", "GET /verifycode/verify/{code}", "verifyCode", ms=0.9)
endpoint("ts-notification-service", "POST /notify/preserve_success", "preserve_success", ms=3.0)

endpoint("ts-basic-service", "POST /basic/travel", "queryForTravel",
         call("ts-station-service", "POST /stations/idlist"), call("ts-train-service", "GET /trains/byName/{name}"),
         call("ts-route-service", "GET /routes/{id}"), call("ts-price-service", "GET /prices/{route}/{type}"))
for orders, path in (("ts-order-service", "POST /order/tickets"), ("ts-order-other-service", "POST /orderOther/tickets")):
    kind = "high" if orders == "ts-order-service" else "other"
    endpoint("ts-seat-service", "POST /seats/left/" + kind, "getLeftTicketOfInterval",
             call(orders, path), call("ts-config-service", "GET /configs/{name}"))
endpoint("ts-seat-service", "POST /seats", "distributeSeat", call("ts-order-service", "POST /order/tickets"))
for travel, kind in (("ts-travel-service", "high"), ("ts-travel2-service", "other")):
    endpoint(travel, "POST /trips/left", "queryByBatch", table(travel, "Trip", "findAll", 1.6), call("ts-route-service", "GET /routes/{id}"),
             loop(1, 3, call("ts-basic-service", "POST /basic/travel"), call("ts-seat-service", "POST /seats/left/" + kind)), ms=2.5)
endpoint("ts-travel-service", "POST /trip_detail", "getTripAllDetailInfo", table("ts-travel-service", "Trip", "findByTripId"),
         call("ts-basic-service", "POST /basic/travel"), call("ts-seat-service", "POST /seats/left/high"), ms=2.0)
endpoint("ts-security-service", "GET /securityConfigs/{account}", "check", table("ts-security-service", "SecurityConfig", "findAll"),
         call("ts-order-service", "POST /order/query"), call("ts-order-other-service", "POST /orderOther/query"))
endpoint("ts-food-service", "GET /foods/{date}/{start}/{end}/{trip}", "getAllFood",
         par(call("ts-train-food-service", "GET /trainfoods/{trip}", soft=True), call("ts-route-service", "GET /routes/{id}")),
         call("ts-station-food-service", "POST /stationfoods/stores"))
row("ts-food-service", "POST /orders", "FoodOrder", "save", 1.9, True)
endpoint("ts-consign-service", "POST /consigns", "insertConsign", call("ts-consign-price-service", "GET /consignprice/{weight}"),
         table("ts-consign-service", "Consign", "save", 1.9, True))
endpoint("ts-auth-service", "POST /users/login", "getToken", call("ts-verification-code-service", "GET /verifycode/verify/{code}"),
         table("ts-auth-service", "User", "findByUsername"), work(6), ms=2.0)
endpoint("ts-preserve-service", "POST /preserve", "preserve",
         call("ts-security-service", "GET /securityConfigs/{account}"), call("ts-contacts-service", "GET /contacts/{id}"),
         call("ts-travel-service", "POST /trip_detail"), call("ts-basic-service", "POST /basic/travel"), call("ts-seat-service", "POST /seats"),
         call("ts-order-service", "POST /order"), maybe(0.5, call("ts-assurance-service", "POST /assurances", soft=True)),
         maybe(0.4, call("ts-food-service", "POST /orders", soft=True)), maybe(0.3, call("ts-consign-service", "POST /consigns", soft=True)),
         inner("ThreadPoolTaskExecutor.execute", call("ts-user-service", "GET /users/id/{id}"),
               call("ts-notification-service", "POST /notify/preserve_success", soft=True)), ms=4.0)
endpoint("ts-inside-payment-service", "POST /inside_payment", "pay", call("ts-order-service", "GET /order/{id}"),
         table("ts-inside-payment-service", "Payment", "findByUserId"), maybe(0.4, call("ts-payment-service", "POST /payment")),
         call("ts-order-service", "PUT /order/status"), table("ts-inside-payment-service", "Payment", "save", 1.8, True))
endpoint("ts-cancel-service", "GET /cancel/{order}", "cancelOrder", call("ts-order-service", "GET /order/{id}"),
         call("ts-order-service", "PUT /order/status"), call("ts-user-service", "GET /users/id/{id}"),
         call("ts-inside-payment-service", "GET /inside_payment/drawback", soft=True))
row("ts-inside-payment-service", "GET /inside_payment/drawback", "Money", "save", 1.8, True)
endpoint("ts-execute-service", "GET /execute/collect/{order}", "ticketCollect", call("ts-order-service", "GET /order/{id}"),
         call("ts-order-service", "PUT /order/status"))
endpoint("ts-route-plan-service", "POST /routePlan/cheapest", "searchCheapest", par(
    call("ts-travel-service", "POST /trips/left"), call("ts-travel2-service", "POST /trips/left")), ms=2.5)
endpoint("ts-travel-plan-service", "POST /travelPlan/cheapest", "getCheapest", call("ts-route-plan-service", "POST /routePlan/cheapest"),
         loop(1, 2, call("ts-train-service", "GET /trains/byName/{name}")), ms=2.0)

FRONT = {"ts-travel-service": [("POST /trips/left", 5)], "ts-travel2-service": [("POST /trips/left", 2)],
         "ts-preserve-service": [("POST /preserve", 3)], "ts-auth-service": [("POST /users/login", 2)],
         "ts-contacts-service": [("GET /contacts/account/{id}", 2)], "ts-food-service": [("GET /foods/{date}/{start}/{end}/{trip}", 2)],
         "ts-assurance-service": [("GET /assurances/types", 1.5)], "ts-order-service": [("POST /order/query", 2)],
         "ts-inside-payment-service": [("POST /inside_payment", 2.5)], "ts-cancel-service": [("GET /cancel/{order}", 1.5)],
         "ts-execute-service": [("GET /execute/collect/{order}", 1.5)], "ts-consign-service": [("POST /consigns", 1)],
         "ts-travel-plan-service": [("POST /travelPlan/cheapest", 0.5)]}
MIX = {}
for service, kinds in FRONT.items():
    for operation, weight in kinds:
        verb, _, path = operation.partition(" ")
        entry = "ts-gateway-service", "%s /api/v1/%s%s" % (verb, service[3:].replace("-", ""), path)
        PROGRAMS[entry] = [work(0.8), call(service, operation), work(0.3)]
        MIX[entry] = weight

TRAIN_TICKET = Shop("train-ticket", "http", "ts-gateway-service", PROGRAMS, MIX, STORES, internals=0.75)
