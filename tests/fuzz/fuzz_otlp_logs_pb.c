/* fuzz_otlp_logs_pb.c - any bytes as a body of this format: what is taken keeps every promise of a
 * batch. */
#include "tests/fuzz/decoders.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    decoders_fuzz(SIGNAL_LOGS, FORMAT_OTLP_PB, (struct str){(const char *)data, size});
    return 0;
}
