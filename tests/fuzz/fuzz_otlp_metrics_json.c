/* fuzz_otlp_metrics_json.c - any bytes as a body of this format: what is taken keeps every promise
 * of a batch. */
#include "tests/fuzz/decoders.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    decoders_fuzz(SIGNAL_METRICS, FORMAT_OTLP_JSON, (struct str){(const char *)data, size});
    return 0;
}
