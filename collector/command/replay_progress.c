/* replay_progress.c - reading  [############            ]  51 %  1.2 of 2.4 GB  310000/s  4 s left
 */
#include "collector/command/replay_progress.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/base/clock.h"

#define BAR 30
#define EVERY_NS (NS_PER_S / 5)

static bool size_of(const char *path, uint64_t *size)
{
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return false;
    *size = (uint64_t)info.st_size;
    return true;
}

void progress_begin(struct progress *progress, const char *what, const char *const *paths, size_t n)
{
    uint64_t size;
    *progress = (struct progress){
        .what = what, .shown = isatty(STDERR_FILENO) != 0, .begun_ns = clock_mono_ns()};
    for (size_t i = 0; i < n && progress->shown; i++) {
        progress->shown = size_of(paths[i], &size);
        progress->total += progress->shown ? size : 0;
    }
    progress->shown = progress->shown && progress->total > 0;
}

static void print_sizes(uint64_t done, uint64_t total)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    double scale = 1000;
    unsigned unit = 0;
    while (unit < 3 && (double)total >= 1000 * scale) {
        scale *= 1000;
        unit++;
    }
    fprintf(stderr, "  %.1f of %.1f %s", (double)done / scale, (double)total / scale, units[unit]);
}

static void print_left(double left_s)
{
    if (left_s < 120)
        fprintf(stderr, "  %.0f s left", left_s);
    else
        fprintf(stderr, "  %.0f min left", left_s / 60);
}

void progress_show(struct progress *progress, uint64_t passed, uint64_t n_records)
{
    uint64_t now_ns = clock_mono_ns(), done = progress->before + passed;
    if (!progress->shown || now_ns - progress->painted_ns < EVERY_NS)
        return;
    progress->painted_ns = now_ns;
    done = done < progress->total ? done : progress->total;
    double share = (double)done / (double)progress->total;
    double took_s = (double)(now_ns - progress->begun_ns) / 1e9;
    fprintf(stderr, "\r%s  [", progress->what);
    for (int i = 0; i < BAR; i++)
        fputc(i < (int)(share * BAR) ? '#' : ' ', stderr);
    fprintf(stderr, "] %3.0f %%", 100 * share);
    print_sizes(done, progress->total);
    if (took_s > 1 && done > progress->from) {
        fprintf(stderr, "  %.0f records/s", (double)n_records / took_s);
        print_left(took_s * (double)(progress->total - done) / (double)(done - progress->from));
    }
    fprintf(stderr, "\033[K");
    fflush(stderr);
}

void progress_skipped(struct progress *progress, uint64_t passed)
{
    progress->from = progress->before + passed;
    progress->begun_ns = clock_mono_ns();
}

void progress_next_file(struct progress *progress, const char *path)
{
    uint64_t size;
    if (progress->shown && size_of(path, &size))
        progress->before += size;
}

void progress_wipe(struct progress *progress)
{
    if (progress->painted_ns)
        fprintf(stderr, "\r\033[K");
    progress->painted_ns = 0;
}

void progress_end(struct progress *progress)
{
    progress_wipe(progress);
    progress->shown = false;
}
