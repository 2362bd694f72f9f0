/* truth.c - a call as a line of JSON. */
#include "collector/simulate/truth.h"

void truth_add_json(struct buf *out, const struct truth *truth)
{
    buf_addf(out,
             "{\"trace\":\"%016llx%016llx\",\"caller\":\"%s\",\"caller_version\":\"%s\","
             "\"callee\":\"%s\",\"callee_version\":\"%s\",\"operation\":\"%s\",\"via\":\"%s\","
             "\"start_ns\":%llu,\"duration_ns\":%llu,\"slow_ns\":%llu,\"attempts\":%u,\"retries\":%"
             "u,\"began\":\"%s\",",
             (unsigned long long)truth->trace_id.high, (unsigned long long)truth->trace_id.low,
             truth->caller, truth->caller_version, truth->callee, truth->callee_version,
             truth->operation, truth->via, (unsigned long long)truth->start_ns,
             (unsigned long long)truth->duration_ns, (unsigned long long)truth->slow_ns,
             truth->attempts, truth->retries, truth->began);
    buf_addf(out,
             "\"failed\":%d,\"client_error\":%d,\"origin\":%d,\"recovered\":%d,\"plaintext\":%d,"
             "\"fault\":%d,\"seen\":%d,\"sampled\":%d}\n",
             truth->failed, truth->client_error, truth->origin, truth->recovered, truth->plaintext,
             truth->fault, truth->seen, truth->sampled);
}
