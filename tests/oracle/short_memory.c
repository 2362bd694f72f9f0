/* short_memory.c - our own malloc in front of the C library's (plain builds: by its name; sanitized
 * ones: by the linker's --wrap). */
#include "tests/oracle/short_memory.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static _Atomic uint64_t to_go, rate, state;
static _Atomic bool failed;
static _Atomic int64_t blocks;

void short_memory_at(uint64_t n)
{
    failed = false;
    to_go = n;
}

void short_memory_one_in(uint64_t n, uint64_t seed)
{
    failed = false;
    state = seed | 1;
    rate = n;
}

bool short_memory_off(void)
{
    rate = to_go = 0;
    return failed;
}

int64_t short_memory_blocks(void)
{
    return blocks;
}

static bool refuses(void)
{
    bool fails = false;
    if (to_go)
        fails = --to_go == 0;
    if (rate) {
        uint64_t next = state * 6364136223846793005u + 1442695040888963407u;
        state = next;
        fails = (next >> 33) % rate == 0;
    }
    if (fails) {
        failed = true;
        errno = ENOMEM;
    }
    return fails;
}

#ifdef SHORT_MEMORY_WRAPS

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t n);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t n);

void *__wrap_malloc(size_t size)
{
    return refuses() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return refuses() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return refuses() ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return refuses() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t n)
{
    return refuses() ? NULL : __real_strndup(text, n);
}

#else

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *memory);

static void *counted(void *memory)
{
    blocks += memory != NULL;
    return memory;
}

void *malloc(size_t size)
{
    return refuses() ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
    return refuses() ? NULL : counted(__libc_calloc(n, size));
}

void *realloc(void *old, size_t size)
{
    if (refuses())
        return NULL;
    void *memory = __libc_realloc(old, size);
    return old ? memory : counted(memory);
}

void free(void *memory)
{
    blocks -= memory != NULL;
    __libc_free(memory);
}

#endif
