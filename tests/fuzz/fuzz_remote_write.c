/* fuzz_remote_write.c - any bytes as a prometheus.WriteRequest: what is taken keeps every promise
 * of a batch, and what its series tell of edges is of nodes that are there.
 */
#include <math.h>

#include "collector/decode/decode.h"
#include "collector/stitch/series.h"
#include "tests/fuzz/decoders.h"
#include "tests/fuzz/fuzz.h"

static void check_told(const struct told_edge *told, const struct nodes *nodes)
{
    FUZZ_CHECK(told->caller < nodes_count(nodes) && told->callee < nodes_count(nodes), "no node");
    FUZZ_CHECK(told->teller < N_SERIES_TELLERS && told->measure <= SERIES_DURATION_BUCKET,
               "teller %u measure %u", told->teller, told->measure);
    FUZZ_CHECK(told->crossing < N_CROSSINGS && told->security < N_SECURITIES &&
                   told->fault < N_FAULTS,
               "words %u %u %u", told->crossing, told->security, told->fault);
    FUZZ_CHECK(!isnan(told->ns), "a bound that is no number");
}

static void read_edges(struct str body)
{
    struct content content = {SIGNAL_METRICS, FORMAT_REMOTE_WRITE, ENCODING_IDENTITY};
    struct knowledge knowledge = {0};
    struct batch *batch = NULL;
    struct err err = {0};
    struct names *names = names_new(1000, 1u << 20);
    struct nodes *nodes = nodes_new(1000);
    struct stitch *stitch = stitch_new(names, nodes);
    if (decode_content(content, body, &limits_default, &batch, &err) == 0 &&
        series_read_batch(stitch, &knowledge, batch)) {
        for (uint32_t i = 0; i < batch->n_points; i++) {
            if (batch->points[i].told)
                check_told(batch->points[i].told, nodes);
        }
    }
    batch_free(batch);
    stitch_free(stitch);
    nodes_free(nodes);
    names_free(names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str body = {(const char *)data, size};
    decoders_fuzz(SIGNAL_METRICS, FORMAT_REMOTE_WRITE, body);
    read_edges(body);
    return 0;
}
