/* replay.c - main() for a fuzz target without a fuzzer: every file of the folders and files named
 * is given to it, first as it is, then with each of its allocations failing in turn.
 *
 * The name of the file that is being tried is printed when the process ends by a signal.
 */
#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

static char current[4096];
static unsigned n_files;

static void say_current(int signal)
{
    static const char text[] = "\nreplay: while trying ";
    ssize_t ignored = write(2, text, sizeof(text) - 1);
    ignored = write(2, current, strlen(current));
    ignored = write(2, "\n", 1);
    (void)ignored;
    raise(signal); /* SA_RESETHAND: ends the process now */
}

static void try_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    size_t n = 0, cap = 1 << 16;
    uint8_t *bytes = malloc(cap);
    FUZZ_CHECK(file && bytes, "%s cannot be read", path);
    for (size_t got; (got = fread(bytes + n, 1, cap - n, file)) > 0;) {
        n += got;
        if (n == cap)
            bytes = realloc(bytes, cap *= 2);
        FUZZ_CHECK(bytes, "%s is too large", path);
    }
    fclose(file);
    uint8_t *exact = malloc(n ? n : 1); /* a read behind the end is seen */
    FUZZ_CHECK(exact, "memory is short");
    memcpy(exact, bytes, n);
    free(bytes);
    snprintf(current, sizeof(current), "%s", path);
    fuzz_shortage = FUZZ_MEMORY_IS_THERE;
    LLVMFuzzerTestOneInput(exact, n);
    fuzz_shortage = FUZZ_MEMORY_SWEEP;
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    n_files++;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void try_folder(const char *path)
{
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, by_name);
    FUZZ_CHECK(n >= 0, "%s cannot be listed", path);
    for (int i = 0; i < n; i++) {
        char name[4096];
        snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            try_file(name);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = say_current, .sa_flags = (int)SA_RESETHAND};
    struct stat info;
    sigaction(SIGABRT, &action, NULL);
    LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++) {
        FUZZ_CHECK(stat(argv[i], &info) == 0, "%s is not there", argv[i]);
        if (S_ISDIR(info.st_mode))
            try_folder(argv[i]);
        else
            try_file(argv[i]);
    }
    printf("%u inputs\n", n_files);
    return n_files ? 0 : 1;
}
