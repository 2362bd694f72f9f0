/* fuzz_config.c - any bytes as a settings file: mistakes are named with their lines, and what is
 * taken prints and reads back the same. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collector/config.h"
#include "tests/fuzz/fuzz.h"

static size_t read_settings(const char *path, struct config **config, struct buf *mistakes)
{
    static const char *const no_sets[] = {NULL};
    static char *const no_environment[] = {NULL};
    struct config_input input = {path, no_sets, no_environment};
    return config_read(&input, config, mistakes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    struct config *config;
    struct buf mistakes, printed;
    int fd = memfd_create("settings", 0);
    FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size, "no file");
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    buf_init(&mistakes, SIZE_MAX / 2);
    buf_init(&printed, SIZE_MAX / 2);
    size_t n = read_settings(path, &config, &mistakes), lines = 0;
    for (size_t i = 0; i < mistakes.len; i++)
        lines += mistakes.p[i] == '\n';
    FUZZ_CHECK(n == lines, "%zu mistakes in %zu lines: %.*s", n, lines,
               STR_ARG(buf_str(&mistakes)));
    config_print(config, &printed);
    FUZZ_CHECK(printed.len && !buf_failed(&printed), "nothing printed");
    const struct settings *settings = config_settings(config);
    FUZZ_CHECK(settings->store_path && settings->log_level, "a setting without a value");
    config_free(config);
    buf_fini(&printed);
    buf_fini(&mistakes);
    close(fd);
    return 0;
}
