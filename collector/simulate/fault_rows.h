/* fault_rows.h - the catalogue's rows by what they do, and what they are written with. */
#ifndef SIMULATE_FAULT_ROWS_H
#define SIMULATE_FAULT_ROWS_H

#include "collector/simulate/fault_places.h"

#define FAULT_MS INT64_C(1000000)
#define FAULT_SECOND UINT64_C(1000000000)

typedef bool fault_draw(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan);

/* fault_rows.c: something fails. */
fault_draw pool_overflow, failing_service, dead_callee, retry_storm, error_return,
    connection_refused, bad_canary, bad_instance, gateway_misroute;
/* fault_rows_slow.c: something is slow. */
fault_draw slow_service, network_delay, cpu_slowdown, lock_contention, packet_loss, slow_database,
    cache_miss_storm, timeout_chain, sidecar_overload, zone_failover, slow_lookup;
/* fault_rows_other.c: something is different. */
fault_draw hairpin, clear_text, early_return, missing_call, clock_jump, traffic_surge, deploy,
    daily_wave;

struct spot fault_anywhere(void);
struct spot fault_at_service(uint16_t service);
struct spot fault_at_edge(const struct fault_edge *edge);
/* A further effect of a plan: all of the time, nothing added. */
struct effect *fault_add(struct fault_plan *plan, enum effect_kind kind, struct spot spot);
void fault_origin(struct fault_plan *plan, enum origin_kind kind, struct spot at);
void fault_tell(char out[256], const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Whole milliseconds, in ns. */
int64_t fault_draw_ms(struct draw *draw, double least, double most);

static inline const char *fault_name(const struct mesh *mesh, uint16_t service)
{
    return mesh->services[service].name;
}

#endif
