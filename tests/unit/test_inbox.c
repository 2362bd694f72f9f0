/* test_inbox.c - accepted means on disk: torn tails, failing writes and syncs, reading again. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/store/inbox.h"
#include "collector/store/inbox_internal.h"

static char folder[] = "/tmp/faultline-test-XXXXXX";
static char inbox_folder[128];
static unsigned n_answered, n_refused, n_synced, n_failed;

static void on_synced(struct body *body, void *ctx)
{
    (void)ctx;
    n_synced++;
    body_free(body);
}

static void on_failed(const struct err *err, void *ctx)
{
    (void)err, (void)ctx;
    n_failed++;
}

static void on_answered(struct body *body, const struct err *err)
{
    (void)body;
    n_answered += err == NULL;
    n_refused += err != NULL;
}

static struct inbox *open_inbox(uint64_t segment_bytes)
{
    struct inbox *inbox = NULL;
    struct err err = {0};
    struct inbox_settings settings = {.folder = inbox_folder,
                                      .segment_bytes = segment_bytes,
                                      .max_bytes = 1u << 30,
                                      .group_max = 1u << 20,
                                      .durability = DURABILITY_POWER,
                                      .synced = on_synced,
                                      .failed = on_failed};
    n_answered = n_refused = n_synced = n_failed = 0;
    if (inbox_open(&settings, 1, &inbox, &err))
        fail_msg("%s", err.text);
    return inbox;
}

static void wipe(void)
{
    char path[512];
    DIR *dir = opendir(inbox_folder);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        snprintf(path, sizeof(path), "%s/%s", inbox_folder, entry->d_name);
        unlink(path);
    }
    if (dir)
        closedir(dir);
    rmdir(inbox_folder);
}

static size_t body_size(unsigned i)
{
    return 20 + i * 37 % 200;
}

static struct body *make_body(unsigned i)
{
    size_t n = body_size(i);
    char *bytes = malloc(n);
    memset(bytes, (int)('a' + i % 26), n);
    struct body *body = body_new(bytes, n);
    body->format = FORMAT_OTLP_PB;
    body->received_ns = 1000 + i;
    body->answered = on_answered;
    return body;
}

static int append(struct inbox *inbox, unsigned i)
{
    struct err err;
    struct body *body = make_body(i);
    int code = inbox_append(inbox, body, &err);
    if (code)
        body_free(body);
    return code;
}

static unsigned n_jumped; /* numbers that were not read */

static unsigned read_jumping(struct inbox *inbox, uint64_t from)
{
    struct inbox_reader *reader;
    struct err err = {0};
    struct body *body;
    unsigned n = 0;
    assert_int_equal(inbox_read_open(inbox, from, &reader, &err), 0);
    uint64_t last_seq = from - 1;
    n_jumped = 0;
    while (inbox_read_next(reader, &body, &err) == 0 && body) {
        assert_true(body->seq > last_seq);
        n_jumped += (unsigned)(body->seq - last_seq - 1);
        last_seq = body->seq;
        assert_int_equal(body->n_bytes, body_size((unsigned)body->seq - 1));
        assert_int_equal(body->bytes[0], (int)('a' + (body->seq - 1) % 26));
        assert_true(body->received_ns == 1000 + body->seq - 1);
        body_free(body);
        n++;
    }
    inbox_read_close(reader);
    return n;
}

/* Reads everything again; checks that numbers go up one by one and contents are what was written.
 */
static unsigned read_all(struct inbox *inbox, uint64_t from)
{
    unsigned n = read_jumping(inbox, from);
    assert_int_equal(n_jumped, 0);
    return n;
}

static void what_was_answered_is_read_again(void **state)
{
    (void)state;
    struct inbox *inbox = open_inbox(4096); /* several segments */
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(append(inbox, i), 0);
        if (i % 7 == 6)
            inbox_step(inbox);
    }
    while (inbox_step(inbox)) {
    }
    assert_int_equal(n_answered, 200);
    assert_int_equal(n_synced, 200);
    assert_int_equal(read_all(inbox, 1), 200);
    inbox_close(inbox, false);
    inbox = open_inbox(4096);
    assert_int_equal(inbox_last_seq(inbox), 200);
    assert_int_equal(read_all(inbox, 57), 144);
    inbox_release(inbox, 150);
    assert_int_equal(read_all(inbox, 150), 51);
    assert_true(inbox_records(inbox) < 200);
    inbox_release(inbox, 201);
    assert_int_equal(inbox_bytes(inbox), 0);
    inbox_close(inbox, true);
    assert_int_equal(access(inbox_folder, F_OK), -1); /* a clean stop leaves nothing */
}

/* Bodies of one size put new heads exactly where old ones stood: only the number tells them apart.
 */
static void a_segment_used_again_shows_nothing_of_its_past(void **state)
{
    (void)state;
    struct inbox *inbox = open_inbox(4096);
    for (unsigned round = 1; round <= 5; round++) {
        for (unsigned i = 0; i < 16; i++) { /* 192 and 64 bytes: 16 fill a segment */
            struct err err;
            struct body *body = body_new(calloc(1, 192), 192);
            body->format = FORMAT_OTLP_PB;
            assert_int_equal(inbox_append(inbox, body, &err), 0);
            inbox_step(inbox);
        }
        inbox_release(inbox, 16 * (round - 1) + 8);
    }
    inbox_release(inbox, 65);
    struct err err;
    struct body *body = body_new(calloc(1, 192), 192);
    assert_int_equal(inbox_append(inbox, body, &err), 0);
    inbox_step(inbox); /* one record at the head of a file that held sixteen */
    inbox_close(inbox, false);
    inbox = open_inbox(4096);
    assert_int_equal(inbox_last_seq(inbox), 81);
    struct inbox_reader *reader;
    unsigned n = 0;
    assert_int_equal(inbox_read_open(inbox, 65, &reader, &err), 0);
    while (inbox_read_next(reader, &body, &err) == 0 && body) {
        assert_true(body->seq == 65 + n++);
        body_free(body);
    }
    assert_int_equal(n, 17);
    inbox_read_close(reader);
    inbox_close(inbox, false);
    wipe();
}

static unsigned count_set_aside(bool remove)
{
    char path[512];
    unsigned n = 0;
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while ((entry = readdir(dir))) {
        if (!strstr(entry->d_name, "-inbox.corrupt-"))
            continue;
        n++;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (remove)
            unlink(path);
    }
    closedir(dir);
    return n;
}

#define N_RECORDS 12

/* Copies the one segment, cut or damaged at a byte, and opens what is left. A cut leaves the whole
 * records before it; a flipped bit takes one record, and the segment is set aside, unless it is the
 * last: that may be a torn tail. */
static void damaged_at(const char *bytes, size_t n, size_t at, int how, unsigned whole_before)
{
    char path[256];
    bool amid = how == 1 && whole_before < N_RECORDS - 1;
    snprintf(path, sizeof(path), "%s/%016x.seg", inbox_folder, 1);
    mkdir(inbox_folder, 0750);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0640);
    char *copy = malloc(n);
    memcpy(copy, bytes, n);
    if (how == 1)
        copy[at] ^= 0x40;
    size_t size = how == 0 ? at : n;
    assert_int_equal(write(fd, copy, size), (ssize_t)size);
    close(fd);
    free(copy);
    struct inbox *inbox = open_inbox(16384);
    unsigned n_read = read_jumping(inbox, 1);
    assert_int_equal(n_read, amid ? N_RECORDS - 1 : whole_before);
    assert_int_equal(n_jumped, amid);
    assert_int_equal(count_set_aside(false), amid);
    /* What follows the damage goes on right behind what is whole. */
    unsigned next = (unsigned)inbox_last_seq(inbox);
    assert_int_equal(next, amid ? N_RECORDS : whole_before);
    assert_int_equal(append(inbox, next), 0);
    inbox_step(inbox);
    assert_int_equal(n_answered, 1);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(read_jumping(inbox, 1), n_read + 1);
        assert_int_equal(n_jumped, amid);
        /* What is wanted begins behind the damage, or on it. */
        assert_int_equal(read_all(inbox, whole_before + 1 + amid), next - whole_before - amid + 1);
        assert_int_equal(read_jumping(inbox, whole_before + 1), next - whole_before - amid + 1);
        inbox_close(inbox, false);
        inbox = open_inbox(16384);
    }
    inbox_release(inbox, next + 2);
    inbox_close(inbox, true);
    assert_int_equal(access(inbox_folder, F_OK), -1);
    assert_int_equal(count_set_aside(true), amid);
}

static int no_sync(int fd)
{
    (void)fd;
    return 0;
}

static void torn_at_every_byte_of_the_tail_or_flipped(void **state)
{
    char path[256];
    size_t ends[N_RECORDS + 1] = {0};
    (void)state;
    struct inbox *inbox = open_inbox(16384);
    for (unsigned i = 0; i < N_RECORDS; i++) {
        append(inbox, i);
        ends[i + 1] = ends[i] + INBOX_HEAD_BYTES + body_size(i);
    }
    inbox_step(inbox);
    inbox_close(inbox, false);
    snprintf(path, sizeof(path), "%s/%016x.seg", inbox_folder, 1);
    size_t n = ends[N_RECORDS];
    char *bytes = malloc(n);
    int fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, bytes, n), (ssize_t)n);
    close(fd);
    wipe();
    struct inbox_os real = inbox_os;
    inbox_os.sync = no_sync;
    for (size_t at = ends[9]; at < n; at++) {
        unsigned whole = at >= ends[11] ? 11 : at >= ends[10] ? 10 : 9;
        damaged_at(bytes, n, at, 0, whole);
        if (at % 3 == 0)
            damaged_at(bytes, n, at, 1, whole);
    }
    for (size_t at = 0; at < ends[2]; at += 3)
        damaged_at(bytes, n, at, 1, at >= ends[1]);
    inbox_os = real;
    free(bytes);
}

/* Changes bytes of the segment that begins with this number. */
static void spoil(unsigned first_seq, size_t at, const char *with, size_t n)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%016x.seg", inbox_folder, first_seq);
    int fd = open(path, O_RDWR);
    assert_int_equal(pwrite(fd, with, n, (off_t)at), (ssize_t)n);
    close(fd);
}

/* A segment that is not the last, twice damaged: what is whole in it is read, and it is set aside
 * once, whether it is released, or is found again after a crash. */
static void damage_takes_what_it_hit_and_no_more(void **state)
{
    (void)state;
    static const char zeros[100];
    struct inbox *inbox = open_inbox(4096);
    for (unsigned i = 0; i < 100; i++) {
        append(inbox, i);
        inbox_step(inbox);
    }
    assert_true(inbox->n_segments > 3);
    unsigned first = (unsigned)inbox->segments[1].first_seq;
    unsigned last = (unsigned)inbox->segments[1].last_seq;
    size_t second = INBOX_HEAD_BYTES + body_size(first - 1);
    spoil(first, 24, "\xff\xff\xff\xff", 4); /* the length in the first head */
    spoil(first, second + INBOX_HEAD_BYTES + body_size(first), zeros,
          sizeof(zeros)); /* the third */
    for (int again = 0; again < 2; again++) {
        assert_int_equal(read_jumping(inbox, 1), 98);
        assert_int_equal(n_jumped, 2);
        assert_int_equal(read_jumping(inbox, first + 1), 100 - first - 1);
        assert_int_equal(read_all(inbox, first + 3), 100 - first - 2);
        assert_int_equal(count_set_aside(false), 1);
        inbox_close(inbox, false);
        inbox = open_inbox(4096);
    }
    inbox_release(inbox, last + 1);
    assert_int_equal(read_all(inbox, last + 1), 100 - last);
    assert_int_equal(count_set_aside(true), 1);
    inbox_close(inbox, false);
    wipe();
}

/* Bodies full of heads that are none cost a search no more than it may. */
static void a_search_is_bounded(void **state)
{
    (void)state;
    size_t n = 1u << 20;
    char *bytes = malloc(n);
    for (size_t at = 0; at + INBOX_HEAD_BYTES <= n; at += INBOX_HEAD_BYTES) {
        inbox_head_write(&(struct body){.seq = 5}, bytes + at);
        bytes[at + 26] = (char)(n / 2 >> 16); /* the length; it does not check */
    }
    struct inbox_head head;
    uint64_t budget = inbox_find_budget(n);
    assert_int_equal(inbox_find((struct str){bytes, n}, 0, 1, 9, &budget, &head), n);
    assert_true(budget < n / 2);
    free(bytes);
}

static int fail_after;

static int failing_sync(int fd)
{
    return fail_after-- > 0 ? fdatasync(fd) : -1;
}

static ssize_t failing_write(int fd, const struct iovec *parts, int n, off_t offset)
{
    if (fail_after-- > 0)
        return pwritev(fd, parts, n, offset);
    errno = ENOSPC;
    return -1;
}

static void no_acknowledgement_after_a_failed_sync(void **state)
{
    (void)state;
    struct inbox_os real = inbox_os;
    for (int n = 0; n < 4; n++) {
        struct inbox *inbox = open_inbox(16384);
        inbox_os.sync = failing_sync;
        fail_after = n;
        unsigned taken = 0;
        for (unsigned i = 0; i < 6; i++) {
            taken += append(inbox, i) == 0;
            inbox_step(inbox);
        }
        assert_int_equal(n_failed, n < 2 ? n_failed : 1);
        assert_true(n_answered <= (unsigned)n);
        assert_int_equal(n_answered + n_refused, taken);
        inbox_os = real;
        inbox_close(inbox, false);
        wipe();
    }
}

static void a_failed_write_refuses_its_group_and_life_goes_on(void **state)
{
    (void)state;
    struct inbox_os real = inbox_os;
    struct inbox *inbox = open_inbox(16384);
    append(inbox, 0);
    inbox_step(inbox);
    inbox_os.writev = failing_write;
    fail_after = 0;
    append(inbox, 1);
    inbox_step(inbox);
    assert_int_equal(n_answered, 1);
    assert_int_equal(n_refused, 1);
    for (int i = 0; i < 3; i++) { /* room on the disk says nothing: only a write tells */
        assert_string_equal(inbox_state(inbox), "disk_full");
        assert_int_not_equal(append(inbox, 1), 0);
        inbox->space_checked_ns = inbox->retry_ns = 0; /* as if the next look were due */
        inbox_step(inbox);
    }
    inbox_os = real;
    inbox->retry_ns = 0;
    inbox_step(inbox);
    assert_string_equal(inbox_state(inbox), "");
    assert_int_equal(append(inbox, 1), 0);
    inbox_step(inbox);
    assert_int_equal(n_answered, 2);
    assert_int_equal(read_all(inbox, 1), 2);
    inbox_close(inbox, false);
    inbox = open_inbox(16384);
    assert_int_equal(read_all(inbox, 1), 2);
    inbox_close(inbox, false);
    wipe();
}

static int no_allocation(int fd, off_t size)
{
    (void)fd, (void)size;
    errno = EDQUOT;
    return -1;
}

/* The probe for a new segment leaves none behind, whether it succeeds or not. */
static void a_segment_that_cannot_be_made_is_waited_for(void **state)
{
    (void)state;
    struct inbox_os real = inbox_os;
    struct inbox *inbox = open_inbox(1024);
    for (unsigned n = 1; n <= 10; n++) {
        inbox_os.allocate = no_allocation;
        while (n_refused < n && append(inbox, n_answered) == 0)
            inbox_step(inbox);
        assert_int_equal(n_refused, n);
        for (int i = 0; i < 3; i++) {
            assert_string_equal(inbox_state(inbox), "disk_full");
            inbox->retry_ns = 0;
            inbox_step(inbox);
        }
        inbox_os = real;
        inbox->retry_ns = 0;
        inbox_step(inbox);
        assert_string_equal(inbox_state(inbox), "");
        assert_int_equal(append(inbox, n_answered), 0);
        inbox_step(inbox);
        assert_int_equal(read_all(inbox, 1), n_answered);
    }
    unsigned n = n_answered;
    inbox_close(inbox, false);
    inbox = open_inbox(1024);
    assert_int_equal(read_all(inbox, 1), n);
    inbox_close(inbox, false);
    wipe();
}

static uint64_t free_now;

static int told_free(int fd, uint64_t *n)
{
    (void)fd;
    *n = free_now;
    return 0;
}

static bool has(const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", inbox_folder, name);
    return access(path, F_OK) == 0;
}

/* How many are taken until one is refused. */
static unsigned fill(struct inbox *inbox)
{
    unsigned before = n_answered, refused = n_refused;
    while (n_refused == refused && n_answered < before + 1000 && append(inbox, n_answered) == 0)
        inbox_step(inbox);
    return n_answered - before;
}

static void try_now(struct inbox *inbox)
{
    inbox->retry_ns = 0;
    inbox_step(inbox);
}

/* What the inbox holds has to go into the database: the last segment of room is not the inbox's. */
static void the_ballast_is_the_databases(void **state)
{
    (void)state;
    struct inbox_os real = inbox_os;
    struct inbox *inbox = open_inbox(1024);
    inbox_os.free_bytes = told_free;
    free_now = 5000;
    assert_int_equal(append(inbox, 0), 0);
    inbox_step(inbox);
    inbox_make_spare(inbox);
    assert_true(has("spare"));
    free_now = 1023; /* no room for another spare */
    fill(inbox);
    assert_string_equal(inbox_state(inbox), "disk_full");
    assert_true(has("spare"));
    inbox_release(inbox, inbox->next_seq); /* now a segment only takes the place of the last */
    try_now(inbox);
    assert_string_equal(inbox_state(inbox), "");

    inbox_give_room(inbox);
    assert_false(has("spare"));
    free_now = 5000; /* the database is not written yet */
    inbox_make_spare(inbox);
    assert_false(has("spare"));
    inbox_release(inbox, inbox->needed_from);
    free_now = 1023;
    inbox_make_spare(inbox);
    assert_false(has("spare"));
    fill(inbox);
    assert_string_equal(inbox_state(inbox), "disk_full");
    inbox_release(inbox, inbox->next_seq);
    try_now(inbox); /* what is stored goes, and the ballast has no room yet */
    assert_string_equal(inbox_state(inbox), "disk_full");
    assert_int_equal(inbox->n_segments, 0);
    free_now = 2048;
    try_now(inbox);
    assert_string_equal(inbox_state(inbox), "");
    inbox_make_spare(inbox);
    assert_true(has("spare"));
    assert_int_equal(read_all(inbox, inbox->needed_from), inbox->next_seq - inbox->needed_from);
    inbox_os = real;
    inbox_close(inbox, false);
    wipe();
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(inbox_folder, sizeof(inbox_folder), "%s/db-inbox", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    wipe();
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_answered_is_read_again),
        cmocka_unit_test(a_segment_used_again_shows_nothing_of_its_past),
        cmocka_unit_test(torn_at_every_byte_of_the_tail_or_flipped),
        cmocka_unit_test(damage_takes_what_it_hit_and_no_more),
        cmocka_unit_test(a_search_is_bounded),
        cmocka_unit_test(no_acknowledgement_after_a_failed_sync),
        cmocka_unit_test(a_failed_write_refuses_its_group_and_life_goes_on),
        cmocka_unit_test(a_segment_that_cannot_be_made_is_waited_for),
        cmocka_unit_test(the_ballast_is_the_databases),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
