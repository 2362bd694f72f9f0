/* store_name.c - names by their words. */
#include "collector/model/store_name.h"

#include <ctype.h>

/* What stores are; and words that say nothing of whose a service is. */
static const char *const kinds[] = {
    "db",         "database", "mongo",     "mongodb", "mysql",     "mariadb",       "postgres",
    "postgresql", "redis",    "memcached", "cache",   "cassandra", "elasticsearch", "kafka",
    "rabbitmq",   "mq",       "queue",     "etcd",    "couchdb",   "clickhouse",    "store",
    "storage",    "sql",      "valkey",    "nats"};
static const char *const nobodys[] = {"service", "svc", "server", "app", "api", "ts", "ms"};

static bool is_one_of(struct str word, const char *const words[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(word, str_of(words[i])))
            return true;
    }
    return false;
}

#define IS_ONE_OF(word, words) is_one_of(word, words, sizeof(words) / sizeof((words)[0]))

static bool next_word(struct str *rest, struct str *word)
{
    size_t from = 0, to;
    while (from < rest->len && !isalnum((unsigned char)rest->p[from]))
        from++;
    for (to = from; to < rest->len && isalnum((unsigned char)rest->p[to]);)
        to++;
    *word = (struct str){rest->p + from, to - from};
    *rest = str_skip(*rest, to);
    return word->len > 0;
}

/* cartservice is cart; one is what many are. */
static struct str stem(struct str word)
{
    static const char *const ends[] = {"service", "svc", "db", "s"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct str end = str_of(ends[i]);
        if (word.len > end.len && str_ends(word, end))
            word.len -= end.len;
    }
    return word;
}

static bool has_stem(struct str service, struct str wanted)
{
    struct str word;
    while (next_word(&service, &word)) {
        if (!IS_ONE_OF(word, nobodys) && str_eq(stem(word), wanted))
            return true;
    }
    return false;
}

bool store_may_be_of(struct str store, struct str service)
{
    struct str rest = store, word;
    bool is_store = false;
    if (str_eq(store, service))
        return false;
    while (next_word(&rest, &word)) {
        bool kind = IS_ONE_OF(word, kinds);
        is_store = is_store || kind || str_ends(word, STR("db"));
        bool number = isdigit((unsigned char)word.p[0]) != 0; /* of one of several */
        if (!kind && !number && !IS_ONE_OF(word, nobodys) && !has_stem(service, stem(word)))
            return false;
    }
    return is_store;
}
