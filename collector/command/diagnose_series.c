/* diagnose_series.c - a diagnosis from a mesh's own series, for windows in which no spans came. */
#include "collector/base/log.h"
#include "collector/command/diagnose.h"
#include "collector/localise/series.h"

void series_cut(const struct mesh_series_list *list)
{
    if (list->cut)
        log_event(LOG_WARN, "series_cut",
                  "reason=\"more series or points of the mesh than one diagnosis reads\"");
}

int diagnose_series(struct query *query, const struct diagnosis_request *request,
                    struct arena *arena, struct diagnosis *diagnosis, struct err *err)
{
    struct mesh_series_list list;
    bool after = diagnosis->baseline_from_ns > diagnosis->from_ns;
    struct window window = {after ? diagnosis->from_ns : diagnosis->baseline_from_ns,
                            after && diagnosis->baseline_to_ns > diagnosis->to_ns
                                ? diagnosis->baseline_to_ns
                                : diagnosis->to_ns};
    struct series_input input = {.list = &list,
                                 .level = request->level,
                                 .limit = request->limit > SUSPECTS_WEIGHED ? request->limit
                                                                            : SUSPECTS_WEIGHED,
                                 .min_requests = request->min_requests};
    if (query_mesh_series(query, window, arena, &list, err) == 0 &&
        !localise_series(&input, arena, diagnosis))
        err_set(err, ERR_BUSY, "memory is short for a diagnosis of this window");
    if (!err->code)
        series_cut(&list);
    if (!err->code && list.nameless)
        log_event(LOG_WARN, "series_nameless",
                  "reason=\"Envoy's counters do not say whose they are: who calls is not known\"");
    return err->code;
}
