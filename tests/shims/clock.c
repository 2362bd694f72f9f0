/* clock.c - a shared object for LD_PRELOAD: the wall clock of a process as a test sets it.
 *
 * CLOCK_AHEAD   a file with the seconds by which it goes ahead; read at every look
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long ahead_s(void)
{
    const char *path = getenv("CLOCK_AHEAD");
    char text[32] = "";
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    return n > 0 ? strtol(text, NULL, 10) : 0;
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    int code = ((__typeof__(&clock_gettime))dlsym(RTLD_NEXT, "clock_gettime"))(id, now);
    if (!code && id == CLOCK_REALTIME)
        now->tv_sec += ahead_s();
    return code;
}
