/* test_layout.c - the layout of call graphs: columns, order, heights, points; that it depends on
 * nothing but the sets of nodes and edges; and what the last picture changes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "collector/model/layout.h"

#define MOST_NODES 512
#define MOST_EDGES 4096

struct picture {
    char names[MOST_NODES][24];
    struct layout_node nodes[MOST_NODES];
    struct layout_edge edges[MOST_EDGES];
    struct layout layout;
};

static struct picture *picture_new(void)
{
    struct picture *picture = calloc(1, sizeof(*picture));
    assert_non_null(picture);
    picture->layout = (struct layout){.nodes = picture->nodes, .edges = picture->edges};
    return picture;
}

static void picture_free(struct picture *picture)
{
    layout_fini(&picture->layout);
    free(picture);
}

static uint32_t node_at(struct picture *picture, const char *name)
{
    uint32_t i = 0;
    while (i < picture->layout.n_nodes && strcmp(picture->names[i], name) != 0)
        i++;
    if (i == picture->layout.n_nodes) {
        snprintf(picture->names[i], sizeof(picture->names[i]), "%s", name);
        picture->nodes[i] = (struct layout_node){
            .name = str_of(picture->names[i]), .width = 110, .height = 42, .entry = name[0] == '@'};
        picture->nodes[i].last = name[0] == '#';
        picture->layout.n_nodes++;
    }
    return i;
}

/* "a>b b>c": '@' begins an entry's name, '#' a store's. */
static void add_edges(struct picture *picture, const char *text)
{
    char from[24], to[24];
    int n;
    for (; sscanf(text, " %23[^> ]>%23[^> ]%n", from, to, &n) == 2; text += n) {
        uint32_t a = node_at(picture, from), b = node_at(picture, to);
        struct layout_edge *edge = &picture->edges[picture->layout.n_edges];
        *edge = (struct layout_edge){.from = a, .to = b};
        for (uint32_t i = 0; i < picture->layout.n_edges; i++)
            edge->tie += picture->edges[i].from == a && picture->edges[i].to == b;
        picture->layout.n_edges++;
    }
}

static void make(struct picture *picture, struct layout_memory *memory)
{
    layout_fini(&picture->layout);
    assert_true(layout_make(&picture->layout, memory));
}

static uint32_t column(struct picture *picture, const char *name)
{
    return picture->nodes[node_at(picture, name)].column;
}

/* Names of a column from the top, with blanks between. */
static const char *order(const struct picture *picture, uint32_t column)
{
    static char text[4096];
    int32_t below = INT32_MIN;
    text[0] = '\0';
    for (;;) {
        const struct layout_node *next = NULL;
        for (uint32_t i = 0; i < picture->layout.n_nodes; i++) {
            const struct layout_node *node = &picture->nodes[i];
            if (node->column == column && node->y > below && (!next || node->y < next->y))
                next = node;
        }
        if (!next)
            return text;
        strcat(text, text[0] ? " " : "");
        strncat(text, next->name.p, next->name.len);
        below = next->y;
    }
}

/* What every picture promises. */
static void check_promises(const struct picture *picture)
{
    const struct layout *layout = &picture->layout;
    for (uint32_t i = 0; i < layout->n_nodes; i++) {
        const struct layout_node *a = &layout->nodes[i];
        assert_true(a->x >= 0 && a->x + a->width <= layout->width);
        assert_true(a->y - a->height / 2 >= 0 && a->y + a->height / 2 <= layout->height);
        for (uint32_t k = 0; k < i; k++) {
            const struct layout_node *b = &layout->nodes[k];
            if (a->column == b->column)
                assert_true(abs(a->y - b->y) >= (a->height + b->height) / 2 + LAYOUT_GAP);
            else
                assert_true(a->x + a->width <= b->x || b->x + b->width <= a->x);
        }
    }
    for (uint32_t i = 0; i < layout->n_edges; i++) {
        const struct layout_edge *edge = &layout->edges[i];
        const struct layout_node *from = &layout->nodes[edge->from], *to = &layout->nodes[edge->to];
        const struct layout_point *points = &layout->points[edge->first_point];
        if (from == to) {
            assert_int_equal(edge->n_points, 0);
            continue;
        }
        uint32_t n = edge->n_points;
        assert_int_equal(edge->back, to->column <= from->column);
        assert_true(n >= 2 && n % 2 == 0);
        assert_true(abs(points[0].y - from->y) <= from->height / 2);
        assert_true(abs(points[n - 1].y - to->y) <= to->height / 2);
        if (!edge->back) {
            assert_int_equal(points[0].x, from->x + from->width);
            assert_int_equal(points[n - 1].x, to->x);
        }
        for (uint32_t k = 1; k + 1 < n; k += 2)
            assert_int_equal(points[k].y, points[k + 1].y);
        for (uint32_t k = 1; k + 1 < n; k++) {
            for (uint32_t v = 0; v < layout->n_nodes; v++) {
                const struct layout_node *node = &layout->nodes[v];
                bool inside = points[k].x >= node->x && points[k].x <= node->x + node->width;
                if (inside)
                    assert_true(abs(points[k].y - node->y) > node->height / 2);
            }
        }
    }
}

static const char shop[] =
    "@users>ingress ingress>frontend frontend>cart frontend>checkout checkout>cart cart>#redis "
    "frontend>ads frontend>search frontend>recommend frontend>catalog frontend>currency "
    "frontend>account ads>#redis recommend>catalog cart>pricing catalog>#postgres "
    "catalog>inventory pricing>#postgres inventory>#postgres account>#postgres checkout>currency "
    "checkout>orders orders>inventory checkout>shipping shipping>inventory checkout>payment "
    "payment>#paynet checkout>notify";

static void columns_are_the_longest_way_and_stores_the_last(void **state)
{
    static const struct {
        const char *name;
        uint32_t column;
    } rows[] = {{"@users", 0}, {"ingress", 1},   {"frontend", 2}, {"ads", 3},     {"checkout", 3},
                {"cart", 4},   {"catalog", 4},   {"notify", 4},   {"pricing", 5}, {"inventory", 5},
                {"#redis", 6}, {"#postgres", 6}, {"#paynet", 6}};
    struct picture *picture = picture_new();
    (void)state;
    add_edges(picture, shop);
    make(picture, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(column(picture, rows[i].name), rows[i].column);
    assert_int_equal(picture->nodes[node_at(picture, "ingress")].x -
                         picture->nodes[node_at(picture, "@users")].x,
                     160);
    check_promises(picture);
    picture_free(picture);
}

static void cycles_are_broken_towards_the_entries(void **state)
{
    static const struct {
        const char *edges;
        const char *columns; /* nodes of each column from the left */
    } rows[] = {
        {"@u>a a>b b>a", "@u|a|b"},
        {"@u>b b>a a>b", "@u|b|a"}, /* not a→b, though lower: it leads back */
        {"@u>x x>a a>b b>c c>x", "@u|x|a|b|c"},
        {"a>b b>a", "a|b"},    /* no entry: the first name is one */
        {"a>a a>b", "a|b"},    /* to itself */
        {"@u>a a>@u", "@u|a"}, /* who calls an entry */
        {"@u>a a>#db #db>a", "@u|a|#db"},
        {"@u>a a>#db #db>z a>b b>c", "@u|a|#db b|z c"}, /* a store that calls is none */
        {"@u>a @u>b a>b b>a", "@u|b|a"}, /* both at one distance: the lower name turns */
        {"a>b", "a|b"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct picture *picture = picture_new();
        char text[256];
        const char *rest = rows[i].columns;
        add_edges(picture, rows[i].edges);
        make(picture, NULL);
        for (uint32_t c = 0; *rest; c++) {
            size_t n = strcspn(rest, "|");
            snprintf(text, sizeof(text), "%.*s", (int)n, rest);
            if (strcmp(order(picture, c), text) != 0)
                fail_msg("%s: column %u is '%s', not '%s'", rows[i].edges, c, order(picture, c),
                         text);
            rest += n + (rest[n] == '|');
        }
        check_promises(picture);
        picture_free(picture);
    }
}

static void no_graph_and_lone_nodes_are_pictures(void **state)
{
    struct picture *picture = picture_new();
    (void)state;
    make(picture, NULL);
    assert_int_equal(picture->layout.n_points, 0);
    node_at(picture, "alone");
    node_at(picture, "#store");
    make(picture, NULL);
    check_promises(picture);
    assert_int_equal(column(picture, "#store"), 0);
    picture_free(picture);
}

static void crossings_that_need_not_be_are_not(void **state)
{
    struct picture *picture = picture_new();
    (void)state;
    /* In order of names every pair crosses; untangled, none does. */
    add_edges(picture, "@u>a @u>b @u>c @u>d a>z b>y c>x d>w");
    make(picture, NULL);
    assert_int_equal(picture->layout.n_crossings, 0);
    assert_string_equal(order(picture, 1), "a b c d");
    assert_string_equal(order(picture, 2), "z y x w");
    picture_free(picture);
}

static void a_long_edge_passes_between_nodes(void **state)
{
    struct picture *picture = picture_new();
    (void)state;
    add_edges(picture, "@u>a a>b b>c c>d a>d a>c");
    make(picture, NULL);
    const struct layout_edge *edge = &picture->edges[4]; /* a>d */
    assert_int_equal(edge->n_points, 6);
    check_promises(picture);
    picture_free(picture);
}

static void two_edges_between_the_same_nodes_have_their_own_ways(void **state)
{
    struct picture *picture = picture_new();
    (void)state;
    add_edges(picture, "@u>a a>b a>b");
    make(picture, NULL);
    const struct layout_point *one = &picture->layout.points[picture->edges[1].first_point];
    const struct layout_point *two = &picture->layout.points[picture->edges[2].first_point];
    assert_int_not_equal(one[1].y, two[1].y);
    check_promises(picture);
    picture_free(picture);
}

/* Where an edge passes column 2. */
static const struct layout_point *passes(const struct picture *picture, uint32_t edge)
{
    return &picture->layout.points[picture->edges[edge].first_point + 1];
}

static void many_ways_to_one_node_share_a_lane(void **state)
{
    static const char few[] = "@u>a @u>b @u>c @u>d @u>e d>x x>#z e>#z a>#z b>#z c>y",
                      more[] = " d>#z";
    struct picture *picture = picture_new();
    (void)state;
    add_edges(picture, few);
    make(picture, NULL);
    assert_int_not_equal(passes(picture, 7)->y, passes(picture, 8)->y);
    assert_int_not_equal(passes(picture, 8)->y, passes(picture, 9)->y);
    check_promises(picture);
    add_edges(picture, more);
    make(picture, NULL);
    const struct layout_point *end = &passes(picture, 7)[2];
    for (uint32_t edge = 8; edge < 12; edge += edge == 9 ? 2 : 1) {
        assert_int_equal(passes(picture, edge)->y, passes(picture, 7)->y);
        assert_int_equal(passes(picture, edge)[2].y, end->y); /* and arrive in one point */
    }
    check_promises(picture);
    picture_free(picture);
}

/* ---- random meshes ---- */

static void random_mesh(struct picture *picture, unsigned seed, uint32_t n, uint32_t n_edges)
{
    srand(seed);
    node_at(picture, "@users");
    for (uint32_t i = 1; i < n; i++) {
        char name[24];
        snprintf(name, sizeof(name), "%s%03u", rand() % 8 == 0 ? "#store" : "svc", i);
        node_at(picture, name);
    }
    while (picture->layout.n_edges < n_edges) {
        uint32_t a = (uint32_t)rand() % n, b = (uint32_t)rand() % n;
        if (a > b && rand() % 50) { /* one in fifty may lead back */
            uint32_t c = a;
            a = b;
            b = c;
        }
        if (b > a + 40 && b > a)
            b = a + 1 + (uint32_t)rand() % 40;
        struct layout_edge edge = {.from = a, .to = b < n ? b : n - 1};
        for (uint32_t i = 0; i < picture->layout.n_edges; i++)
            edge.tie += picture->edges[i].from == edge.from && picture->edges[i].to == edge.to;
        picture->edges[picture->layout.n_edges++] = edge;
    }
}

static void shuffle(uint32_t *numbers, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        numbers[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t k = (uint32_t)rand() % i, kept = numbers[i - 1];
        numbers[i - 1] = numbers[k];
        numbers[k] = kept;
    }
}

/* The same sets in another order. */
static struct picture *permuted(const struct picture *of, uint32_t *node_at_new,
                                uint32_t *edge_at_new)
{
    struct picture *picture = picture_new();
    uint32_t n = of->layout.n_nodes, n_edges = of->layout.n_edges;
    shuffle(node_at_new, n);
    shuffle(edge_at_new, n_edges);
    memcpy(picture->names, of->names, sizeof(of->names));
    for (uint32_t i = 0; i < n; i++) {
        picture->nodes[node_at_new[i]] = of->nodes[i];
        picture->nodes[node_at_new[i]].name = str_of(picture->names[i]);
    }
    for (uint32_t i = 0; i < n_edges; i++) {
        struct layout_edge edge = of->edges[i];
        edge.from = node_at_new[edge.from];
        edge.to = node_at_new[edge.to];
        picture->edges[edge_at_new[i]] = edge;
    }
    picture->layout.n_nodes = n;
    picture->layout.n_edges = n_edges;
    return picture;
}

static void the_order_of_input_changes_nothing(void **state)
{
    static uint32_t nodes[MOST_NODES], edges[MOST_EDGES];
    (void)state;
    for (unsigned seed = 1; seed <= 30; seed++) {
        struct picture *one = picture_new();
        random_mesh(one, seed, 20 + seed * 3, 40 + seed * 8);
        struct picture *two = permuted(one, nodes, edges);
        make(one, NULL);
        make(two, NULL);
        check_promises(one);
        for (uint32_t i = 0; i < one->layout.n_nodes; i++) {
            assert_int_equal(one->nodes[i].x, two->nodes[nodes[i]].x);
            assert_int_equal(one->nodes[i].y, two->nodes[nodes[i]].y);
        }
        for (uint32_t i = 0; i < one->layout.n_edges; i++) {
            const struct layout_edge *a = &one->edges[i], *b = &two->edges[edges[i]];
            assert_int_equal(a->n_points, b->n_points);
            assert_memory_equal(&one->layout.points[a->first_point],
                                &two->layout.points[b->first_point],
                                a->n_points * sizeof(struct layout_point));
        }
        picture_free(one);
        picture_free(two);
    }
}

static void the_same_again_is_the_same_picture(void **state)
{
    struct picture *picture = picture_new();
    struct layout_memory *memory = layout_memory_new();
    static struct layout_node before[MOST_NODES];
    (void)state;
    random_mesh(picture, 5, 120, 300);
    make(picture, memory);
    memcpy(before, picture->nodes, sizeof(before));
    for (int i = 0; i < 3; i++) {
        make(picture, memory);
        for (uint32_t k = 0; k < picture->layout.n_nodes; k++)
            assert_int_equal(picture->nodes[k].y, before[k].y);
    }
    layout_memory_free(memory);
    picture_free(picture);
}

/* Of any two nodes that stand in one column before and after, the upper one stays the upper one. */
static void check_order_kept(const struct layout_node *before, uint32_t n,
                             const struct layout_node *after)
{
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < n; k++) {
            bool together = before[i].column == before[k].column &&
                            after[i].column == before[i].column &&
                            after[k].column == before[k].column;
            if (together && before[i].y < before[k].y)
                assert_true(after[i].y < after[k].y);
        }
    }
}

static void who_was_there_keeps_the_order_when_others_come(void **state)
{
    static struct layout_node before[MOST_NODES];
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct picture *picture = picture_new();
        struct layout_memory *memory = layout_memory_new();
        random_mesh(picture, seed, 60, 140);
        make(picture, memory);
        for (int round = 0; round < 10; round++) {
            uint32_t n = picture->layout.n_nodes;
            char name[24], text[128];
            memcpy(before, picture->nodes, sizeof(before));
            snprintf(name, sizeof(name), "a-new-one-%d", round);
            snprintf(text, sizeof(text), "%s>%s %s>%s", picture->names[(unsigned)rand() % n], name,
                     name, picture->names[(unsigned)rand() % n]);
            add_edges(picture, text);
            make(picture, memory);
            check_promises(picture);
            check_order_kept(before, n, picture->nodes);
        }
        layout_memory_free(memory);
        picture_free(picture);
    }
}

static void who_comes_back_stands_where_it_stood(void **state)
{
    struct picture *whole = picture_new(), *part = picture_new();
    struct layout_memory *memory = layout_memory_new();
    char before[512];
    (void)state;
    add_edges(whole, "@u>a @u>b @u>c @u>d a>z b>y c>x d>w");
    add_edges(part, "@u>a @u>b @u>d a>z b>y d>w");
    make(whole, memory);
    snprintf(before, sizeof(before), "%s", order(whole, 2));
    make(part, memory);
    assert_string_equal(order(part, 2), "z y w");
    make(whole, memory);
    assert_string_equal(order(whole, 2), before);
    layout_memory_free(memory);
    picture_free(whole);
    picture_free(part);
}

static void another_picture_is_made_afresh(void **state)
{
    struct picture *small = picture_new(), *large = picture_new(), *fresh = picture_new();
    struct layout_memory *memory = layout_memory_new();
    (void)state;
    add_edges(small, "@u>a a>b");
    random_mesh(large, 9, 80, 200);
    random_mesh(fresh, 9, 80, 200);
    make(small, memory);
    make(large, memory);
    make(fresh, NULL);
    for (uint32_t i = 0; i < large->layout.n_nodes; i++)
        assert_int_equal(large->nodes[i].y, fresh->nodes[i].y);
    layout_memory_free(memory);
    picture_free(small);
    picture_free(large);
    picture_free(fresh);
}

static void too_many_edges_are_straight(void **state)
{
    struct picture *picture = picture_new();
    (void)state;
    random_mesh(picture, 3, 200, LAYOUT_MAX_EDGES + 1);
    make(picture, NULL);
    for (uint32_t i = 0; i < picture->layout.n_edges; i++)
        assert_true(picture->edges[i].n_points <= 2);
    picture_free(picture);
}

/* Knots without end: everybody calls everybody. */
static void a_clique_ends(void **state)
{
    struct picture *picture = picture_new();
    (void)state;
    for (uint32_t i = 0; i < 40; i++) {
        char name[24];
        snprintf(name, sizeof(name), "n%02u", i);
        node_at(picture, name);
    }
    for (uint32_t i = 0; i < 40; i++) {
        for (uint32_t k = 0; k < 40; k++)
            picture->edges[picture->layout.n_edges++] = (struct layout_edge){.from = i, .to = k};
    }
    make(picture, NULL);
    check_promises(picture);
    picture_free(picture);
}

/* Prints the time for the record; no clock decides. */
static void three_hundred_nodes_and_a_thousand_edges(void **state)
{
    struct picture *picture = picture_new();
    struct layout_memory *memory = layout_memory_new();
    uint64_t best_ns = UINT64_MAX, best_known_ns = UINT64_MAX;
    (void)state;
    random_mesh(picture, 11, 300, 1000);
    for (int i = 0; i < 5; i++) {
        uint64_t begin_ns = clock_mono_ns();
        make(picture, NULL);
        uint64_t middle_ns = clock_mono_ns();
        make(picture, memory);
        uint64_t end_ns = clock_mono_ns();
        best_ns = middle_ns - begin_ns < best_ns ? middle_ns - begin_ns : best_ns;
        if (i)
            best_known_ns = end_ns - middle_ns < best_known_ns ? end_ns - middle_ns : best_known_ns;
    }
    check_promises(picture);
    uint32_t n_columns = 0;
    for (uint32_t i = 0; i < picture->layout.n_nodes; i++)
        n_columns =
            picture->nodes[i].column + 1 > n_columns ? picture->nodes[i].column + 1 : n_columns;
    print_message("300 nodes, 1000 edges: %.1f ms afresh, %.1f ms from memory, %u columns, %u "
                  "crossings\n",
                  (double)best_ns / 1e6, (double)best_known_ns / 1e6, n_columns,
                  picture->layout.n_crossings);
    layout_memory_free(memory);
    picture_free(picture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_the_longest_way_and_stores_the_last),
        cmocka_unit_test(cycles_are_broken_towards_the_entries),
        cmocka_unit_test(no_graph_and_lone_nodes_are_pictures),
        cmocka_unit_test(crossings_that_need_not_be_are_not),
        cmocka_unit_test(a_long_edge_passes_between_nodes),
        cmocka_unit_test(two_edges_between_the_same_nodes_have_their_own_ways),
        cmocka_unit_test(many_ways_to_one_node_share_a_lane),
        cmocka_unit_test(the_order_of_input_changes_nothing),
        cmocka_unit_test(the_same_again_is_the_same_picture),
        cmocka_unit_test(who_was_there_keeps_the_order_when_others_come),
        cmocka_unit_test(who_comes_back_stands_where_it_stood),
        cmocka_unit_test(another_picture_is_made_afresh),
        cmocka_unit_test(too_many_edges_are_straight),
        cmocka_unit_test(a_clique_ends),
        cmocka_unit_test(three_hundred_nodes_and_a_thousand_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
