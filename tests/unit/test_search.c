/* test_search.c - the search line, tests of shares, the fair sample, and the tree of a trace. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/model/flag_words.h"
#include "collector/model/words.h"
#include "collector/store/difference.h"
#include "collector/store/search_sample.h"
#include "collector/store/search_text.h"
#include "collector/store/trace_tree.h"

/* ---- the search line ---- */

static int read_line(const char *q, struct arena *arena, struct search_text *text, struct err *err)
{
    arena_init(arena, 1u << 20);
    *err = (struct err){0};
    return search_text_read(str_of(q), arena, text, err);
}

static void conditions_are_read(void **state)
{
    static const struct {
        const char *q;
        enum search_field field;
        enum search_op op;
        const char *scope, *peer, *key, *value;
    } rows[] = {
        {"service=cart", FIELD_SERVICE, OP_EQUAL, "", "", "service", "cart"},
        {"status = error", FIELD_STATUS, OP_EQUAL, "", "", "status", "error"},
        {"status=failed", FIELD_STATUS, OP_EQUAL, "", "", "status", "failed"},
        {"took>200ms", FIELD_TOOK, OP_MORE, "", "", "took", "200ms"},
        {"took < 1s", FIELD_TOOK, OP_LESS, "", "", "took", "1s"},
        {"cart:version=v2", FIELD_VERSION, OP_EQUAL, "cart", "", "version", "v2"},
        {"a\xe2\x86\x92"
         "b:retries=1",
         FIELD_RETRIES, OP_EQUAL, "a", "b", "retries", "1"},
        {"http.route!=/cart", FIELD_ATTRIBUTE, OP_NOT, "", "", "http.route", "/cart"},
        {"\"service\"=x", FIELD_ATTRIBUTE, OP_EQUAL, "", "", "service", "x"},
        {"\"guid:x-request-id\"=1", FIELD_ATTRIBUTE, OP_EQUAL, "", "", "guid:x-request-id", "1"},
        {"entry=\"GET /a \\\"b\\\"\"", FIELD_ENTRY, OP_EQUAL, "", "", "entry", "GET /a \"b\""},
        {"redis", FIELD_WORD, OP_LIKE, "", "", "redis", "redis"},
        {"\"two words\"", FIELD_WORD, OP_LIKE, "", "", "two words", "two words"},
        {"reason~pool", FIELD_REASON, OP_LIKE, "", "", "reason", "pool"},
    };
    struct search_text text;
    struct arena arena;
    struct err err;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(read_line(rows[i].q, &arena, &text, &err), 0);
        assert_int_equal(text.n, 1);
        const struct search_condition *c = &text.conditions[0];
        assert_int_equal(c->field, rows[i].field);
        assert_int_equal(c->op, rows[i].op);
        assert_true(str_eq(c->scope, str_of(rows[i].scope)));
        assert_true(str_eq(c->peer, str_of(rows[i].peer)));
        assert_true(str_eq(c->key, str_of(rows[i].key)));
        assert_true(str_eq(c->value, str_of(rows[i].value)));
        arena_fini(&arena);
    }
}

static void several_conditions_stand_in_a_line(void **state)
{
    struct search_text text;
    struct arena arena;
    struct err err;
    (void)state;
    assert_int_equal(
        read_line("  service=cart  redis status = error took>2ms ", &arena, &text, &err), 0);
    assert_int_equal(text.n, 4);
    assert_int_equal(text.conditions[1].field, FIELD_WORD);
    assert_true(text.conditions[3].number == 2e6);
    arena_fini(&arena);
    assert_int_equal(read_line("", &arena, &text, &err), 0);
    assert_int_equal(text.n, 0);
    arena_fini(&arena);
}

static void what_cannot_be_read_is_said(void **state)
{
    static const char *const bad[] = {"took>200", "took=soon", "status=maybe", "spans>many",
                                      "=x",       "\"open",    "retries=often"};
    struct search_text text;
    struct arena arena;
    struct err err;
    char many[400] = "";
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(read_line(bad[i], &arena, &text, &err), ERR_INVALID);
        assert_true(err.text[0]);
        arena_fini(&arena);
    }
    for (int i = 0; i <= MAX_CONDITIONS; i++)
        strcat(many, "a=b ");
    assert_int_equal(read_line(many, &arena, &text, &err), ERR_INVALID);
    arena_fini(&arena);
}

/* ---- shares ---- */

static void fisher_gives_the_known_values(void **state)
{
    (void)state;
    /* Sums of whole numbers over choose(8, 4) and choose(29, 12): 3 of 4 against 1 of 4, 10 of 12
     * against 2 of 17 */
    assert_true(fabs(fisher_exact(3, 4, 1, 4) - 0.4857142857) < 1e-9);
    assert_true(fabs(fisher_exact(10, 12, 2, 17) - 0.0002961503632) < 1e-12);
    assert_true(fisher_exact(5, 10, 5, 10) > 0.999);
    assert_true(fisher_exact(0, 0, 5, 10) == 1);
    assert_true(fisher_exact(1500, 1500, 0, 2500) < 1e-100);
    assert_true(fabs(fisher_exact(2, 17, 10, 12) - fisher_exact(10, 12, 2, 17)) < 1e-12);
}

static void false_findings_are_few(void **state)
{
    /* The example of the paper's kind: the third falls under its line, so the first two stand with
     * it. */
    static const double p[] = {0.9, 0.001, 0.029, 0.012, 0.5};
    bool keep[5];
    (void)state;
    benjamini_hochberg(p, 5, 0.05, keep);
    assert_false(keep[0]);
    assert_true(keep[1] && keep[2] && keep[3]);
    assert_false(keep[4]);
    benjamini_hochberg(p, 5, 0.001, keep);
    for (int i = 0; i < 5; i++)
        assert_false(keep[i]);
}

static void the_sample_keeps_the_smallest_keys(void **state)
{
    struct sample sample;
    (void)state;
    assert_true(sample_init(&sample, 10));
    for (uint64_t i = 0; i < 1000; i++)
        sample_add(&sample, &(struct sampled){.key = i * 7919 % 1000, .trace_no = (int64_t)i});
    assert_int_equal(sample.n, 10);
    assert_int_equal(sample.n_seen, 1000);
    for (size_t i = 0; i < 10; i++)
        assert_true(sample.items[i].key < 10);
    sample_sort(&sample);
    for (size_t i = 1; i < 10; i++)
        assert_true(sample.items[i - 1].trace_no < sample.items[i].trace_no);
    sample_fini(&sample);
}

/* ---- words ---- */

static void flags_read_like_sentences(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 1u << 16);
    struct began_here began = {STR("UO"), 503, -1, STR("cart v2"), STR("redis"), false};
    began_here_json(&began, &out);
    assert_true(
        str_eq(buf_str(&out),
               STR("[\"The sidecar of cart v2 refused the connection: its limit was reached (503 "
                   "\",\"UO\",\"). redis never saw the call.\"]")));
    buf_reset(&out);
    began = (struct began_here){STR_NONE, 500, -1, STR_NONE, STR("ledger"), true};
    began_here_json(&began, &out);
    assert_true(str_eq(buf_str(&out),
                       STR("[\"ledger answered 500, and nothing that it called failed.\"]")));
    static const char *const reasons[][2] = {{"UO", "connection pool full"},
                                             {"503 UF", "no connection"},
                                             {"503", "answered 503"},
                                             {"grpc 14", "grpc 14"},
                                             {"disk quota", "disk quota"}};
    for (int i = 0; i < 5; i++) {
        buf_reset(&out);
        reason_words(str_of(reasons[i][0]), &out);
        assert_true(str_eq(buf_str(&out), str_of(reasons[i][1])));
    }
    buf_fini(&out);
}

/* ---- the tree ---- */

#define MS 1000000

static struct tree_span span(uint64_t id, uint64_t parent, int64_t from_ms, int64_t to_ms,
                             uint32_t service, uint8_t kind, uint8_t role)
{
    return (struct tree_span){.span_id = id,
                              .parent_id = parent,
                              .start_ns = from_ms * MS,
                              .end_ns = to_ms * MS,
                              .service = service,
                              .operation = 1,
                              .kind = kind,
                              .role = role};
}

static int64_t critical_ms(const struct trace_tree *tree, uint32_t record)
{
    int64_t sum = 0;
    for (size_t i = 0; i < tree->n_pieces; i++)
        sum += tree->pieces[i].span == record ? tree->pieces[i].to_ns - tree->pieces[i].from_ns : 0;
    return sum / MS;
}

/* a waits for b, then for c beside d; d ends first: it is on no path. The pieces add up to the
 * whole. */
static void the_critical_path_adds_up(void **state)
{
    struct tree_span spans[] = {span(1, 0, 0, 100, 1, KIND_SERVER, ROLE_WORKLOAD),
                                span(2, 1, 10, 40, 2, KIND_SERVER, ROLE_WORKLOAD),
                                span(3, 1, 50, 90, 3, KIND_SERVER, ROLE_WORKLOAD),
                                span(4, 1, 50, 70, 4, KIND_SERVER, ROLE_WORKLOAD),
                                span(5, 3, 60, 95, 5, KIND_CONSUMER, ROLE_WORKLOAD)};
    struct trace_tree tree;
    (void)state;
    assert_true(trace_tree_build(&tree, spans, 5));
    assert_int_equal(critical_ms(&tree, 0), 10 + 10 + 10);
    assert_int_equal(critical_ms(&tree, 1), 30);
    assert_int_equal(critical_ms(&tree, 2), 40); /* its child outlived it: nobody waited for that */
    assert_int_equal(critical_ms(&tree, 3), 0);
    assert_false(spans[3].critical || spans[4].critical);
    trace_tree_fini(&tree);
}

static void rows_stand_parents_first(void **state)
{
    struct tree_span spans[] = {span(3, 1, 5, 6, 1, KIND_SERVER, ROLE_WORKLOAD),
                                span(4, 2, 3, 4, 1, KIND_SERVER, ROLE_WORKLOAD),
                                span(2, 1, 2, 5, 1, KIND_SERVER, ROLE_WORKLOAD),
                                span(1, 0, 0, 9, 1, KIND_SERVER, ROLE_WORKLOAD),
                                span(9, 77, 1, 2, 1, KIND_SERVER, ROLE_WORKLOAD)};
    static const uint32_t order[] = {3, 2, 1, 0, 4};
    static const uint32_t depth[] = {0, 1, 2, 1, 0};
    struct trace_tree tree;
    (void)state;
    assert_true(trace_tree_build(&tree, spans, 5));
    for (int i = 0; i < 5; i++) {
        assert_int_equal(tree.order[i], order[i]);
        assert_int_equal(spans[order[i]].depth, depth[i]);
    }
    assert_true(spans[4].orphan && !spans[3].orphan);
    trace_tree_fini(&tree);
}

/* Its own parent, a ring of three, a chain of 10,000: every span has one row. */
static void odd_parents_end(void **state)
{
    enum { N = 10004 };
    static struct tree_span spans[N];
    static bool seen[N];
    struct trace_tree tree;
    (void)state;
    spans[0] = span(1, 1, 0, 1, 1, KIND_SERVER, ROLE_WORKLOAD);
    for (uint64_t i = 1; i < 4; i++)
        spans[i] = span(i + 1, i == 3 ? 2 : i + 2, 0, 1, 1, KIND_SERVER, ROLE_WORKLOAD);
    for (uint64_t i = 4; i < N; i++)
        spans[i] =
            span(i + 1, i == 4 ? 0 : i, 0, 20000 - (int64_t)i, 1, KIND_SERVER, ROLE_WORKLOAD);
    assert_true(trace_tree_build(&tree, spans, N));
    assert_int_equal(tree.n, N);
    for (uint32_t i = 0; i < N; i++) {
        assert_false(seen[tree.order[i]]);
        seen[tree.order[i]] = true;
    }
    assert_int_equal(spans[N - 1].depth, N - 5);
    trace_tree_fini(&tree);
}

/* frontend's client span, its sidecar, cart's sidecar, cart: the two sidecars fold and lend their
 * mark. */
static void sidecars_fold_into_who_they_stand_for(void **state)
{
    struct tree_span spans[] = {span(1, 0, 0, 100, 1, KIND_SERVER, ROLE_WORKLOAD),
                                span(2, 1, 1, 90, 1, KIND_CLIENT, ROLE_WORKLOAD),
                                span(3, 2, 2, 89, 1, KIND_CLIENT, ROLE_SIDECAR),
                                span(4, 3, 3, 88, 2, KIND_SERVER, ROLE_SIDECAR),
                                span(5, 4, 4, 87, 2, KIND_SERVER, ROLE_WORKLOAD),
                                span(6, 5, 5, 10, 2, KIND_CLIENT, ROLE_WORKLOAD),
                                span(7, 6, 6, 9, 2, KIND_CLIENT, ROLE_SIDECAR)};
    struct trace_tree tree;
    (void)state;
    spans[5].lone_caller = true;
    spans[5].fault = FAULT_CARRIED;
    spans[6].fault = FAULT_ORIGIN;
    assert_true(trace_tree_build(&tree, spans, 7));
    static const bool folded[] = {false, false, true, true, false, false, true};
    for (int i = 0; i < 7; i++)
        assert_int_equal(spans[i].folded, folded[i]);
    assert_int_equal(spans[5].lent, FAULT_ORIGIN);
    trace_tree_fini(&tree);
}

/* Without spans of the applications the callee's sidecars stand for them, and nothing else does. */
static void sidecars_alone_stand_for_their_workloads(void **state)
{
    struct tree_span spans[] = {span(1, 0, 0, 100, 1, KIND_SERVER, ROLE_GATEWAY),
                                span(2, 1, 1, 99, 1, KIND_CLIENT, ROLE_GATEWAY),
                                span(3, 2, 2, 98, 2, KIND_SERVER, ROLE_SIDECAR),
                                span(4, 3, 3, 97, 2, KIND_CLIENT, ROLE_SIDECAR),
                                span(5, 4, 4, 96, 3, KIND_SERVER, ROLE_SIDECAR)};
    static const bool folded[] = {false, true, false, true, false};
    struct trace_tree tree;
    (void)state;
    assert_true(trace_tree_build(&tree, spans, 5));
    for (int i = 0; i < 5; i++)
        assert_int_equal(spans[i].folded, folded[i]);
    trace_tree_fini(&tree);
}

static void attempts_are_numbered(void **state)
{
    struct tree_span beneath[] = {span(1, 0, 0, 100, 1, KIND_CLIENT, ROLE_WORKLOAD),
                                  span(2, 1, 1, 40, 1, KIND_CLIENT, ROLE_SIDECAR),
                                  span(3, 2, 2, 39, 2, KIND_SERVER, ROLE_WORKLOAD),
                                  span(4, 1, 50, 90, 1, KIND_CLIENT, ROLE_SIDECAR),
                                  span(5, 4, 51, 89, 2, KIND_SERVER, ROLE_WORKLOAD)};
    struct tree_span beside[] = {span(1, 0, 0, 100, 1, KIND_SERVER, ROLE_WORKLOAD),
                                 span(2, 1, 1, 20, 1, KIND_CLIENT, ROLE_WORKLOAD),
                                 span(3, 1, 30, 50, 1, KIND_CLIENT, ROLE_WORKLOAD),
                                 span(4, 1, 60, 80, 1, KIND_CLIENT, ROLE_WORKLOAD)};
    struct trace_tree tree;
    (void)state;
    beneath[4].callee_half = true;
    beneath[0].peer_service = 2;
    assert_true(trace_tree_build(&tree, beneath, 5));
    trace_tree_mark_attempts(&tree, 4, 2);
    assert_true(beneath[0].holds_attempts && beneath[0].n_attempts == 2);
    assert_int_equal(beneath[2].attempt, 1);
    assert_int_equal(beneath[4].attempt, 2);
    trace_tree_fini(&tree);
    for (int i = 1; i < 4; i++)
        beside[i].peer_service = i == 1 ? 9 : 2;
    beside[3].lone_caller = true;
    assert_true(trace_tree_build(&tree, beside, 4));
    trace_tree_mark_attempts(&tree, 3, 2);
    assert_int_equal(beside[1].attempt, 0);
    assert_int_equal(beside[2].attempt, 1);
    assert_int_equal(beside[3].attempt, 2);
    trace_tree_fini(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_are_read),
        cmocka_unit_test(several_conditions_stand_in_a_line),
        cmocka_unit_test(what_cannot_be_read_is_said),
        cmocka_unit_test(fisher_gives_the_known_values),
        cmocka_unit_test(false_findings_are_few),
        cmocka_unit_test(the_sample_keeps_the_smallest_keys),
        cmocka_unit_test(flags_read_like_sentences),
        cmocka_unit_test(the_critical_path_adds_up),
        cmocka_unit_test(rows_stand_parents_first),
        cmocka_unit_test(odd_parents_end),
        cmocka_unit_test(sidecars_fold_into_who_they_stand_for),
        cmocka_unit_test(sidecars_alone_stand_for_their_workloads),
        cmocka_unit_test(attempts_are_numbered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
