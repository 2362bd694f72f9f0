/* test_auth.c - what the time of a wrong token tells: nothing of the right one. Time is counted in
 * instructions, one by one, in a process of its own, so that no clock and no load is in it.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/base/auth.h"

/* The thread sanitizer notes every access, at a cost that depends on what came before. */
#ifdef __SANITIZE_THREAD__
#define COUNTS false
#else
#define COUNTS true
#endif

#define TOKENS 20
#define TOKEN "a-token-of-somebody"
static const char digest[] = "1d257f58f21dd2bb10dd092f2a0f81a124b373f17f415a43b4d3ffb6f44d6923";

/* A table of tokens of which that at `place` has the token's digest but for what stands behind the
 * first `right` bytes.
 */
static struct auth *table_with(unsigned place, size_t right)
{
    char path[] = "/tmp/test_auth.XXXXXX";
    struct err err = {0};
    struct auth *auth = auth_new();
    FILE *file = fdopen(mkstemp(path), "w");
    assert_non_null(file);
    for (unsigned i = 0; i < TOKENS; i++) {
        char line[sizeof(digest)];
        memcpy(line, digest, sizeof(digest));
        for (size_t k = i == place ? 2 * right : 0; k < sizeof(digest) - 1; k++)
            line[k] = line[k] == '5' ? 'a' : '5';
        fprintf(file, "ingest %s\n", line);
    }
    fclose(file);
    assert_int_equal(auth_load(auth, path, &err), 0);
    unlink(path);
    return auth;
}

/* Between two stops it asks once; before, so that everything is loaded. */
static void ask_and_exit(struct auth *auth, struct str header)
{
    int verdict = auth_check(auth, header, AUTH_INGEST);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        _exit(99);
    raise(SIGSTOP);
    auth_check(auth, header, AUTH_INGEST);
    raise(SIGSTOP);
    _exit(verdict);
}

/* Instructions of one question, and its verdict; 0 where they tell nothing, and where processes may
 * not be watched. */
static long instructions(struct auth *auth, struct str header, int *verdict)
{
    int status;
    long n = 0;
    if (!COUNTS)
        return 0;
    pid_t child = fork();
    if (child == 0)
        ask_and_exit(auth, header);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status))
        return 0;
    do {
        ptrace(PTRACE_SINGLESTEP, child, NULL, NULL);
        assert_int_equal(waitpid(child, &status, 0), child);
        n++;
    } while (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
    assert_true(WIFSTOPPED(status));
    ptrace(PTRACE_CONT, child, NULL, NULL);
    assert_int_equal(waitpid(child, &status, 0), child);
    *verdict = WEXITSTATUS(status);
    return n;
}

static long instructions_with(unsigned place, size_t right, const char *header, int *verdict)
{
    struct auth *auth = table_with(place, right);
    long n = instructions(auth, str_of(header), verdict);
    auth_free(auth);
    return n;
}

static void a_wrong_token_takes_the_same_time(void **state)
{
    static const char *const headers[] = {"Bearer " TOKEN, "Basic dTphLXRva2VuLW9mLXNvbWVib2R5"};
    int verdict;
    (void)state;
    for (int h = 0; h < 2; h++) {
        long wrong = instructions_with(0, 0, headers[h], &verdict);
        if (!wrong)
            skip();
        assert_true(wrong > 1000);
        assert_int_equal(verdict, AUTH_UNKNOWN);
        assert_int_equal(instructions_with(0, 1, headers[h], &verdict), wrong);
        assert_int_equal(instructions_with(TOKENS - 1, 31, headers[h], &verdict), wrong);
        assert_int_equal(verdict, AUTH_UNKNOWN);
    }
}

/* Where in the table the right one stands shows as little. */
static void a_right_token_takes_the_same_time(void **state)
{
    int verdict;
    (void)state;
    long first = instructions_with(0, 32, "Bearer " TOKEN, &verdict);
    if (!first)
        skip();
    assert_int_equal(verdict, AUTH_GOOD);
    assert_int_equal(instructions_with(TOKENS - 1, 32, "Bearer " TOKEN, &verdict), first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_wrong_token_takes_the_same_time),
                                       cmocka_unit_test(a_right_token_takes_the_same_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
