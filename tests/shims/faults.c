/* faults.c - a shared object for LD_PRELOAD: file operations on chosen files fail on purpose.
 *
 * FAULT_OP      write, sync, read, truncate or allocate
 * FAULT_PATH    how the path of the file must end, or a folder's name in it
 * FAULT_AT      the how-manieth such operation fails (from 1)
 * FAULT_TIMES   how many in a row do (1; 0: all from then on)
 * FAULT_ERRNO   what they say (5, EIO)
 * FAULT_TOLD    a file that is made at the first failure, so that a test knows there was one
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static _Atomic long n_met;

static long number(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

static bool is_meant(int fd)
{
    char link[64], path[4096];
    const char *meant = getenv("FAULT_PATH");
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    if (!meant || n <= 0)
        return false;
    path[n] = '\0';
    size_t length = strlen(meant);
    bool ends = (size_t)n >= length && strcmp(path + n - length, meant) == 0;
    return ends || (meant[length - 1] == '/' && strstr(path, meant));
}

static void tell(void)
{
    const char *told = getenv("FAULT_TOLD");
    int fd = told ? open(told, O_CREAT | O_WRONLY, 0600) : -1;
    if (fd >= 0)
        close(fd);
}

static bool must_fail(const char *op, int fd)
{
    const char *wanted = getenv("FAULT_OP");
    if (!wanted || strcmp(wanted, op) != 0 || !is_meant(fd))
        return false;
    long at = number("FAULT_AT", 1), times = number("FAULT_TIMES", 1);
    long met = atomic_fetch_add(&n_met, 1) + 1;
    if (met < at || (times && met >= at + times))
        return false;
    tell();
    errno = (int)number("FAULT_ERRNO", EIO);
    return true;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t n)
{
    return must_fail("write", fd) ? -1 : REAL(write)(fd, bytes, n);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t offset)
{
    return must_fail("write", fd) ? -1 : REAL(pwrite)(fd, bytes, n, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t offset)
{
    return must_fail("write", fd) ? -1 : REAL(pwrite64)(fd, bytes, n, offset);
}

ssize_t pwritev(int fd, const struct iovec *parts, int n, off_t offset)
{
    return must_fail("write", fd) ? -1 : REAL(pwritev)(fd, parts, n, offset);
}

int fsync(int fd)
{
    return must_fail("sync", fd) ? -1 : REAL(fsync)(fd);
}

int fdatasync(int fd)
{
    return must_fail("sync", fd) ? -1 : REAL(fdatasync)(fd);
}

ssize_t read(int fd, void *bytes, size_t n)
{
    return must_fail("read", fd) ? -1 : REAL(read)(fd, bytes, n);
}

ssize_t pread(int fd, void *bytes, size_t n, off_t offset)
{
    return must_fail("read", fd) ? -1 : REAL(pread)(fd, bytes, n, offset);
}

ssize_t pread64(int fd, void *bytes, size_t n, off64_t offset)
{
    return must_fail("read", fd) ? -1 : REAL(pread64)(fd, bytes, n, offset);
}

int ftruncate(int fd, off_t size)
{
    return must_fail("truncate", fd) ? -1 : REAL(ftruncate)(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    return must_fail("truncate", fd) ? -1 : REAL(ftruncate64)(fd, size);
}

/* Both give the error, and leave errno alone. */
int posix_fallocate(int fd, off_t from, off_t size)
{
    return must_fail("allocate", fd) ? errno : REAL(posix_fallocate)(fd, from, size);
}

int posix_fallocate64(int fd, off64_t from, off64_t size)
{
    return must_fail("allocate", fd) ? errno : REAL(posix_fallocate64)(fd, from, size);
}
