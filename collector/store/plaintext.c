/* plaintext.c - where clear text is allowed (security.allow_plaintext), as rows that the view
 * edge_violation matches with GLOB. */
#include <stdlib.h>

#include "collector/store/relations.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"

/* '*' stands for any run of characters; what else GLOB would read as a pattern stands for itself.
 */
static void add_pattern(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        if (c == '[' || c == '?')
            buf_addf(out, "[%c]", c);
        else
            buf_add_char(out, c);
    }
    buf_add_char(out, '\0');
}

/* service, namespace/service, cluster/namespace/service: what is left out may be anything. */
static void add_node(struct buf *out, struct str text)
{
    struct str parts[3], rest = text;
    unsigned n = 0;
    while (n < 3 && str_cut(rest, '/', &parts[n], &rest))
        n++;
    if (n < 3)
        n++;
    else
        parts[2] = (struct str){parts[2].p, (size_t)(text.p + text.len - parts[2].p)};
    for (unsigned i = n; i < 3; i++)
        add_pattern(out, STR("*"));
    for (unsigned i = 0; i < n; i++)
        add_pattern(out, str_trim(parts[i]));
}

int store_allow_plaintext(struct store *store, const char *const *rules, size_t n, struct err *err)
{
    struct buf out;
    size_t len;
    buf_init(&out, 1u << 20);
    for (size_t i = 0; i < n; i++) {
        struct str rule = str_of(rules[i]);
        const char *arrow = memmem(rule.p, rule.len, "->", 2);
        struct str caller =
            arrow ? str_trim((struct str){rule.p, (size_t)(arrow - rule.p)}) : STR_NONE;
        struct str callee =
            arrow ? str_trim(str_skip(rule, (size_t)(arrow - rule.p) + 2)) : STR_NONE;
        if (!caller.len || !callee.len) {
            buf_fini(&out);
            return err_set(err, ERR_INVALID,
                           "security.allow_plaintext: '%s' is not caller -> callee", rules[i]);
        }
        add_node(&out, caller);
        add_node(&out, callee);
    }
    buf_add_char(&out, '\n'); /* behind the last */
    buf_add_char(&out, '\0');
    if (buf_failed(&out)) {
        buf_fini(&out);
        return err_set(err, ERR_BUSY, "memory is short");
    }
    free(atomic_exchange(&store->new_rules, buf_detach(&out, &len)));
    return 0;
}

static int put_rules(struct store *store, const char *rules)
{
    sqlite3_stmt *put;
    int code = sqlite3_exec(store->db, "DELETE FROM allow_plaintext", NULL, NULL, NULL);
    code = code ? code
                : store_prepare(store, "INSERT INTO allow_plaintext VALUES (?,?,?,?,?,?)", &put);
    if (code)
        return code;
    while (*rules != '\n' && !code) {
        for (int i = 0; i < 6; i++) {
            sqlite3_bind_text(put, i + 1, rules, -1, SQLITE_STATIC);
            rules += strlen(rules) + 1;
        }
        code = statement_run(put);
    }
    sqlite3_finalize(put);
    return code;
}

bool plaintext_is_due(const struct store *store)
{
    return atomic_load_explicit(&store->new_rules, memory_order_relaxed) != NULL;
}

int plaintext_write(struct store *store)
{
    char *rules = atomic_exchange(&store->new_rules, NULL);
    if (!rules)
        return 0;
    int code = put_rules(store, rules);
    char *none = NULL;
    /* What could not be written is tried again, unless newer ones came. */
    if (!code || !atomic_compare_exchange_strong(&store->new_rules, &none, rules))
        free(rules);
    return code;
}
