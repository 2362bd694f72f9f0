/* kafka_mock.c - librdkafka's mock cluster as a process of its own, steered by lines on standard
 * input; each is answered with one line.
 *
 *   topic NAME PARTITIONS        missing NAME yes|no
 *   produce TOPIC PARTITION FILE [KEY]     null TOPIC PARTITION
 *   committed GROUP TOPIC PARTITION        coordinator GROUP BROKER
 *   broker down|up               error REQUEST CODE TIMES
 *
 * A missing topic is there, and brokers say that it is not. REQUEST and CODE are numbers of the
 * protocol. Prints "ready BROKERS" first.
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BROKERS 2

static rd_kafka_t *producer;
static rd_kafka_mock_cluster_t *cluster;
static const char *brokers;

static void set_missing(const char *topic, bool missing)
{
    rd_kafka_mock_topic_set_error(cluster, topic,
                                  missing ? RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                                          : RD_KAFKA_RESP_ERR_NO_ERROR);
    printf("NO_ERROR\n");
}

static void delivered(rd_kafka_t *kafka, const rd_kafka_message_t *message, void *ctx)
{
    (void)kafka, (void)ctx;
    *(rd_kafka_resp_err_t *)message->_private = message->err;
}

static rd_kafka_resp_err_t produce(const char *topic, int partition, void *bytes, size_t n,
                                   const char *key)
{
    rd_kafka_resp_err_t result = RD_KAFKA_RESP_ERR__IN_PROGRESS;
    rd_kafka_resp_err_t code = rd_kafka_producev(
        producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(bytes, n),
        RD_KAFKA_V_KEY(key, key ? strlen(key) : 0), RD_KAFKA_V_OPAQUE(&result), RD_KAFKA_V_END);
    if (code)
        return code;
    rd_kafka_flush(producer, 60000);
    return result;
}

static void produce_file(const char *topic, int partition, const char *path, const char *key)
{
    FILE *file = fopen(path, "rbe");
    static char bytes[8 << 20];
    if (!file) {
        printf("error no such file\n");
        return;
    }
    size_t n = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    printf("%s\n", rd_kafka_err2name(produce(topic, partition, bytes, n, key)));
}

static void say_committed(const char *group, const char *topic, int partition)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, NULL, 0);
    rd_kafka_conf_set(conf, "group.id", group, NULL, 0);
    rd_kafka_t *asker = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition);
    rd_kafka_resp_err_t code = rd_kafka_committed(asker, list, 10000);
    printf("%lld\n", code ? -1 : (long long)list->elems[0].offset);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(asker);
}

static void set_brokers(bool up)
{
    for (int i = 1; i <= BROKERS; i++)
        up ? rd_kafka_mock_broker_set_up(cluster, i) : rd_kafka_mock_broker_set_down(cluster, i);
    printf("done\n");
}

static void push_errors(int request, int code, int times)
{
    rd_kafka_resp_err_t codes[64];
    times = times > 64 ? 64 : times;
    for (int i = 0; i < times; i++)
        codes[i] = (rd_kafka_resp_err_t)code;
    rd_kafka_mock_push_request_errors_array(cluster, (int16_t)request, (size_t)times, codes);
    printf("done\n");
}

static void take_line(char *line)
{
    char *words[6] = {0};
    int n = 0;
    for (char *word = strtok(line, " \n"); word && n < 6; word = strtok(NULL, " \n"))
        words[n++] = word;
    if (n == 3 && strcmp(words[0], "topic") == 0 && !cluster)
        printf("NO_ERROR\n");
    else if (n == 3 && strcmp(words[0], "topic") == 0)
        printf("%s\n",
               rd_kafka_err2name(rd_kafka_mock_topic_create(cluster, words[1], atoi(words[2]), 1)));
    else if (n == 3 && strcmp(words[0], "missing") == 0)
        set_missing(words[1], strcmp(words[2], "yes") == 0);
    else if (n >= 4 && strcmp(words[0], "produce") == 0)
        produce_file(words[1], atoi(words[2]), words[3], words[4]);
    else if (n == 3 && strcmp(words[0], "null") == 0)
        printf("%s\n", rd_kafka_err2name(produce(words[1], atoi(words[2]), NULL, 0, "k")));
    else if (n == 4 && strcmp(words[0], "committed") == 0)
        say_committed(words[1], words[2], atoi(words[3]));
    else if (n == 2 && strcmp(words[0], "broker") == 0)
        set_brokers(strcmp(words[1], "up") == 0);
    else if (n == 4 && strcmp(words[0], "error") == 0)
        push_errors(atoi(words[1]), atoi(words[2]), atoi(words[3]));
    else if (n == 3 && strcmp(words[0], "coordinator") == 0)
        printf("%s\n", rd_kafka_err2name(rd_kafka_mock_coordinator_set(cluster, "group", words[1],
                                                                       atoi(words[2]))));
    else
        printf("error what is that\n");
    fflush(stdout);
}

/* kafka_mock BROKERS: the lines that also a real cluster can follow (it makes topics by itself). */
int main(int argc, char **argv)
{
    char line[4096], reason[300];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (argc > 1)
        rd_kafka_conf_set(conf, "bootstrap.servers", argv[1], reason, sizeof(reason));
    else
        rd_kafka_conf_set(conf, "test.mock.num.brokers", "2", reason, sizeof(reason));
    rd_kafka_conf_set(conf, "linger.ms", "0", reason, sizeof(reason));
    rd_kafka_conf_set(conf, "reconnect.backoff.max.ms", "500", reason, sizeof(reason));
    rd_kafka_conf_set(conf, "message.max.bytes", "8000000", reason, sizeof(reason));
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof(reason));
    if (!producer) {
        fprintf(stderr, "%s\n", reason);
        return 1;
    }
    cluster = rd_kafka_handle_mock_cluster(producer);
    brokers = argc > 1 ? argv[1] : rd_kafka_mock_cluster_bootstraps(cluster);
    printf("ready %s\n", brokers);
    fflush(stdout);
    while (fgets(line, sizeof(line), stdin))
        take_line(line);
    return 0;
}
