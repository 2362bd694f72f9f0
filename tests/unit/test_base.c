/* test_base.c - tables, queues, texts, hashes and histograms of collector/base and collector/model.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/base/base64.h"
#include "collector/base/buf.h"
#include "collector/base/clock.h"
#include "collector/base/crc.h"
#include "collector/base/hash.h"
#include "collector/base/jumps.h"
#include "collector/base/map.h"
#include "collector/base/times.h"
#include "collector/base/utf8.h"
#include "collector/model/histogram.h"
#include "collector/model/words.h"

static void crc_of_the_check_string(void **state)
{
    (void)state;
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
}

/* Additions and removals against an array that is searched. */
static void map_agrees_with_a_list(void **state)
{
    enum { N = 4000 };
    static bool there[N];
    struct map map;
    (void)state;
    map_init(&map);
    srand(7);
    for (int round = 0; round < 40000; round++) {
        uint32_t value = (uint32_t)rand() % N;
        uint64_t hash = hash_u64(value % 997); /* many collide */
        if (there[value])
            assert_true(map_remove(&map, hash, value));
        else
            assert_true(map_add(&map, hash, value));
        there[value] = !there[value];
    }
    for (uint32_t value = 0; value < N; value++) {
        bool found = false;
        for (struct map_iter it = map_find(&map, hash_u64(value % 997)); map_next(&map, &it);)
            found = found || it.value == value;
        assert_int_equal(found, there[value]);
    }
    map_fini(&map);
}

static void histogram_buckets_hold_their_durations(void **state)
{
    (void)state;
    for (unsigned bucket = 1; bucket < HISTOGRAM_BUCKETS; bucket++) {
        uint64_t upper = histogram_upper_ns(bucket);
        assert_int_equal(histogram_bucket(upper), bucket);
        assert_int_equal(histogram_bucket(histogram_upper_ns(bucket - 1) + 1), bucket);
        if (upper != UINT64_MAX)
            assert_int_equal(histogram_bucket(upper + 1), bucket + 1);
    }
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void histogram_subtracts_exactly_and_survives_its_blob(void **state)
{
    struct histogram a, b;
    struct buf blob, again;
    (void)state;
    histogram_init(&a);
    histogram_init(&b);
    buf_init(&blob, 1u << 16);
    buf_init(&again, 1u << 16);
    srand(3);
    uint64_t values[500];
    for (int i = 0; i < 500; i++) {
        values[i] = (uint64_t)rand() * (uint64_t)(rand() % 100000);
        assert_true(histogram_add(&a, values[i], 1));
    }
    histogram_encode(&a, &blob);
    assert_true(histogram_decode(&b, buf_str(&blob)));
    assert_int_equal(histogram_quantile(&a, 0.95), histogram_quantile(&b, 0.95));
    assert_int_equal(histogram_max(&a), histogram_max(&b));
    for (int i = 0; i < 500; i++)
        histogram_add(&b, values[i], -1);
    histogram_encode(&b, &again);
    assert_int_equal(again.len, 0);
    assert_int_equal(histogram_quantile(&b, 0.5), UINT64_MAX);
    assert_false(histogram_decode(&b, STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")));
    histogram_fini(&a);
    histogram_fini(&b);
    buf_fini(&blob);
    buf_fini(&again);
}

static void utf8_is_judged_and_cleaned(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        enum text_class class;
        const char *cleaned;
    } rows[] = {
        {"plain text", 10, TEXT_PLAIN, "plain text"},
        {"with \"quotes\"", 13, TEXT_VALID, NULL},
        {"Bücher → 日本", 18, TEXT_VALID, NULL},
        {"nul\0inside", 10, TEXT_BAD, "nul\xef\xbf\xbdinside"},
        {"\xed\xa0\x80", 3, TEXT_BAD, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
        {"\xc0\xaf", 2, TEXT_BAD, "\xef\xbf\xbd\xef\xbf\xbd"},                 /* overlong */
        {"cut \xe2\x82", 6, TEXT_BAD, "cut \xef\xbf\xbd\xef\xbf\xbd"},
        {"\xf4\x90\x80\x80", 4, TEXT_BAD, NULL}, /* beyond U+10FFFF */
    };
    struct arena arena;
    (void)state;
    arena_init(&arena, 1u << 16);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct str text = {rows[i].text, rows[i].len};
        assert_int_equal(utf8_classify(text), rows[i].class);
        struct str clean = utf8_clean(&arena, text);
        assert_int_not_equal(utf8_classify(clean), TEXT_BAD);
        if (rows[i].cleaned)
            assert_true(str_eq(clean, str_of(rows[i].cleaned)));
    }
    assert_int_equal(utf8_cut(STR("日本"), 4).len, 3);
    arena_fini(&arena);
}

static void times_as_people_write_them(void **state)
{
    const uint64_t now = UINT64_C(1790000000000000000);
    static const struct {
        const char *text;
        bool good;
        int64_t from_now; /* ns; 0 with `exact` */
        uint64_t exact;
    } rows[] = {
        {"now", true, 0, 0},
        {"15m", true, -INT64_C(900000000000), 0},
        {"-2h", true, -INT64_C(7200000000000), 0},
        {"2026-11-23T10:00:00Z", true, 0, UINT64_C(1795428000000000000)},
        {"2026-11-23T10:00:00.123456789Z", true, 0, UINT64_C(1795428000123456789)},
        {"1795428000", true, 0, UINT64_C(1795428000000000000)},
        {"1795428000.5", true, 0, UINT64_C(1795428000500000000)},
        {"1795428000.123456789", true, 0, UINT64_C(1795428000123456789)},
        {"0", true, -INT64_C(1790000000000000000), 0},
        {"1795428000.", false, 0, 0},
        {"1e9", false, 0, 0},
        {"2026-02-30T10:00:00Z", false, 0, 0},
        {"2024-02-29T23:59:59.1Z", true, 0, UINT64_C(1709251199100000000)},
        {"yesterday", false, 0, 0},
        {"", false, 0, 0},
        {"15 m", false, 0, 0},
        {"2026-13-23T10:00:00Z", false, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t ns = 0;
        assert_int_equal(time_parse(str_of(rows[i].text), now, &ns), rows[i].good);
        if (rows[i].good)
            assert_true(ns == (rows[i].exact ? rows[i].exact : now + (uint64_t)rows[i].from_now));
    }
}

static void durations_are_read_as_go_writes_them(void **state)
{
    static const struct {
        const char *text;
        int64_t ns; /* -1: not one */
    } rows[] = {
        {"0", 0},
        {"0s", 0},
        {"1.2ms", 1200000},
        {"100us", 100000},
        {"100\xc2\xb5s", 100000},
        {"100\xce\xbcs", 100000},
        {"1m30s", INT64_C(90000000000)},
        {"1h0m0.5s", INT64_C(3600500000000)},
        {".5s", 500000000},
        {"+3ns", 3},
        {"", -1},
        {"+", -1},
        {"5", -1},
        {"s", -1},
        {"1d", -1},
        {"-1s", -1},
        {"1..2s", -1},
        {"1s2", -1},
        {"1 s", -1},
        {"9999999h", -1},
        {"2500000h2500000h", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint64_t ns = 0;
        assert_int_equal(go_duration_parse(str_of(rows[i].text), &ns), rows[i].ns >= 0);
        if (rows[i].ns >= 0)
            assert_true(ns == (uint64_t)rows[i].ns);
    }
}

static void buffers_remember_what_did_not_fit(void **state)
{
    struct buf buf;
    (void)state;
    buf_init(&buf, 8);
    buf_add_c(&buf, "12345");
    buf_add_c(&buf, "6789");
    buf_add_c(&buf, "x");
    assert_true(buf_failed(&buf));
    assert_int_equal(buf.len, 5);
    buf_fini(&buf);
    buf_init(&buf, 1000);
    buf_add_json(&buf, STR("a\"b\\c\n\x01"));
    buf_add_char(&buf, ' ');
    buf_add_double(&buf, 0.1);
    buf_add_char(&buf, ' ');
    buf_add_i64(&buf, INT64_MIN);
    buf_add_char(&buf, ' ');
    buf_add_time(&buf, UINT64_C(1795428000000000007));
    assert_true(str_eq(
        buf_str(&buf),
        STR("\"a\\\"b\\\\c\\n\\u0001\" 0.1 -9223372036854775808 2026-11-23T10:00:00.000000007Z")));
    buf_reset(&buf);
    buf_add_json(&buf, STR("\xc3\xbc\xff \xed\xa0\x80\xf0\x9f\x8e\x84\xe2\x82"));
    assert_true(
        str_eq(buf_str(&buf), STR("\"\xc3\xbc\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                                  "\xf0\x9f\x8e\x84\xef\xbf\xbd\xef\xbf\xbd\"")));
    buf_reset(&buf);
    for (int i = 0; i < 4; i++) {
        buf_add_json_double(&buf, (const double[]){-0.5, NAN, INFINITY, -INFINITY}[i]);
        buf_add_char(&buf, ' ');
    }
    buf_add_json_time(&buf, 0);
    buf_add_char(&buf, ' ');
    buf_add_json_time(&buf, 7);
    assert_true(str_eq(buf_str(&buf), STR("-0.5 \"NaN\" \"Infinity\" \"-Infinity\" null "
                                          "\"1970-01-01T00:00:00.000000007Z\"")));
    buf_fini(&buf);
}

static void response_flags_are_a_set(void **state)
{
    (void)state;
    assert_int_equal(response_flags_parse(STR("URX,UF")), response_flags_parse(STR("UF,URX")));
    assert_int_equal(response_flags_parse(STR("-")), 0);
    assert_int_equal(response_flags_parse(STR("")), 0);
    assert_int_equal(response_flags_parse(STR("XYZ")), FLAG_BIT_OTHER);
    assert_int_equal(response_flags_parse(STR("UpstreamOverflow,DropOverload")),
                     response_flags_parse(STR("UO,DO")));
    assert_int_equal(response_flag_number(STR("LocalReset")), FLAG_LR);
    assert_int_equal(response_flag_number(STR("LocalReset2")), -1);
}

static void globs_match(void **state)
{
    (void)state;
    assert_true(str_glob(STR("*gateway"), STR("istio-ingressgateway")));
    assert_true(str_glob(STR("a*b*c"), STR("a-b-b-c")));
    assert_false(str_glob(STR("a*b"), STR("abc")));
    assert_true(str_glob(STR("*"), STR("")));
}

static void base64_goes_both_ways(void **state)
{
    struct buf plain, text, bytes;
    (void)state;
    for (size_t n = 0; n < 8; n++) {
        buf_init(&plain, 100);
        buf_init(&text, 100);
        buf_init(&bytes, 100);
        buf_add(&plain, "\0\377a:b\200\n", n);
        base64_add(&text, buf_str(&plain));
        assert_true(base64_read(buf_str(&text), &bytes));
        assert_true(str_eq(buf_str(&bytes), buf_str(&plain)));
        buf_fini(&plain);
        buf_fini(&text);
        buf_fini(&bytes);
    }
    buf_init(&bytes, 100);
    assert_true(base64_read(STR("YTpi=="), &bytes) && str_eq(buf_str(&bytes), STR("a:b")));
    assert_false(base64_read(STR("Y T"), &bytes));
    buf_fini(&bytes);
}

static void arrays_in_an_arena_grow(void **state)
{
    (void)state;
    struct arena arena;
    uint32_t *items = NULL, n = 0, cap = 0;
    arena_init(&arena, 1u << 16);
    while (arena_room(&arena, (void **)&items, n, &cap, sizeof(*items))) {
        items[n] = n;
        n++;
    }
    /* What is full and cannot grow stays as it was. */
    assert_true(n == cap && n >= 1024 && n < (1u << 14));
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(items[i], i);
    arena_fini(&arena);
}

static void stored_hashes_are_fnv_1a(void **state)
{
    (void)state;
    /* Test vectors of its authors. */
    assert_true(hash_stored(HASH_STORED, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(hash_stored(HASH_STORED, "foobar", 6) == UINT64_C(0x85944171f73967e8));
    assert_true(hash_stored(hash_stored(HASH_STORED, "foo", 3), "bar", 3) ==
                hash_stored(HASH_STORED, "foobar", 6));
}

/* What is stored at a time by the wall clock, and when it is old by both clocks. */
static void jumps_make_nothing_older_than_it_is(void **state)
{
    enum { N = 400, KEEP = 50 };
    const uint64_t minute = NS_PER_MINUTE, begin = 1000000 * NS_PER_MINUTE;
    uint64_t stamps[N], wall_ns = begin;
    struct jumps jumps = {0};
    (void)state;
    srand(3);
    for (uint64_t i = 0; i < N; i++) {
        int64_t by = i && rand() % 8 == 0 ? rand() % 2000 - 900 : 0;
        wall_ns += minute + (uint64_t)by * minute;
        assert_int_equal(jumps_look(&jumps, wall_ns, (i + 1) * minute) / (int64_t)minute, by);
        stamps[i] = wall_ns;
        uint64_t away_ns = KEEP * minute + jumps_ahead_ns(&jumps, KEEP * minute);
        for (uint64_t k = i < KEEP ? 0 : i - KEEP + 1; k <= i; k++)
            assert_true(stamps[k] + away_ns >= wall_ns);
    }
    /* A clock that goes on as it is is believed once what was there before it jumped is old. */
    uint64_t boot_ns = (N + 1) * minute;
    jumps_look(&jumps, wall_ns + 900 * minute, boot_ns);
    assert_true(jumps_ahead_ns(&jumps, KEEP * minute) >= 800 * minute);
    jumps_look(&jumps, wall_ns + (900 + KEEP) * minute, boot_ns + KEEP * minute);
    assert_true(jumps_ahead_ns(&jumps, KEEP * minute) == 0);
    /* The machine slept, and the clock is kept right by steps of seconds: neither is a jump. */
    assert_true(jumps_look(&jumps, begin, boot_ns + 600 * minute) != 0);
    assert_true(jumps_look(&jumps, begin + 5000 * minute, boot_ns + 5600 * minute) == 0);
    assert_true(
        jumps_look(&jumps, begin + 5001 * minute + 30 * NS_PER_S, boot_ns + 5601 * minute) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_of_the_check_string),
        cmocka_unit_test(stored_hashes_are_fnv_1a),
        cmocka_unit_test(arrays_in_an_arena_grow),
        cmocka_unit_test(map_agrees_with_a_list),
        cmocka_unit_test(jumps_make_nothing_older_than_it_is),
        cmocka_unit_test(histogram_buckets_hold_their_durations),
        cmocka_unit_test(histogram_subtracts_exactly_and_survives_its_blob),
        cmocka_unit_test(utf8_is_judged_and_cleaned),
        cmocka_unit_test(times_as_people_write_them),
        cmocka_unit_test(durations_are_read_as_go_writes_them),
        cmocka_unit_test(buffers_remember_what_did_not_fit),
        cmocka_unit_test(response_flags_are_a_set),
        cmocka_unit_test(globs_match),
        cmocka_unit_test(base64_goes_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
