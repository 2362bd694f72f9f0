/* client.c - requests by libcurl. */
#include "collector/base/client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/base/url.h"

struct client {
    CURL *curl;
    char reason[CURL_ERROR_SIZE];
    struct buf *answer; /* of the request under way; NULL: nobody asks */
    int fd;             /* takes the body of a 200; -1 without */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct client_files files;

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

void client_use_files(const struct client_files *given)
{
    files = *given;
}

static void set_files(CURL *curl)
{
    const char *ca = files.ca ? files.ca : getenv("SSL_CERT_FILE"); /* as other programs read it */
    if (ca && ca[0])
        curl_easy_setopt(curl, CURLOPT_CAINFO, ca);
    if (files.cert)
        curl_easy_setopt(curl, CURLOPT_SSLCERT, files.cert);
    if (files.key)
        curl_easy_setopt(curl, CURLOPT_SSLKEY, files.key);
}

struct client *client_new(uint64_t timeout_ns)
{
    pthread_once(&once, init_curl);
    struct client *client = calloc(1, sizeof(*client));
    if (!client)
        return NULL;
    client->curl = curl_easy_init();
    if (!client->curl) {
        free(client);
        return NULL;
    }
    curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, (long)(timeout_ns / NS_PER_MS));
    curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, client->reason);
    curl_easy_setopt(client->curl, CURLOPT_NOPROXY, "*");
    set_files(client->curl);
    curl_easy_setopt(client->curl, CURLOPT_TCP_NODELAY, 1L);
    return client;
}

void client_free(struct client *client)
{
    if (!client)
        return;
    curl_easy_cleanup(client->curl);
    free(client);
}

static size_t take(char *bytes, size_t size, size_t n, void *ctx)
{
    struct client *client = ctx;
    long code = 0;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &code);
    if (client->fd >= 0 && code == 200) {
        ssize_t written = write(client->fd, bytes, size * n);
        return written < 0 ? 0 : (size_t)written;
    }
    if (client->answer)
        buf_add(client->answer, bytes, size * n);
    return client->answer && buf_failed(client->answer) ? 0 : size * n;
}

static struct curl_slist *make_headers(const struct client_request *request)
{
    char line[256];
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    if (request->content_type) {
        snprintf(line, sizeof(line), "Content-Type: %s", request->content_type);
        headers = curl_slist_append(headers, line);
    }
    if (request->encoding) {
        snprintf(line, sizeof(line), "Content-Encoding: %s", request->encoding);
        headers = curl_slist_append(headers, line);
    }
    return headers;
}

/* The name stays that of the URL: for Host, and for the certificate. Gives what curl borrows. */
static struct curl_slist *connect_to(CURL *curl, const char *at)
{
    char rule[300];
    bool given = at && at[0], local = given && strncmp(at, "unix:", 5) == 0;
    struct curl_slist *rules = NULL;
    if (given && !local) {
        snprintf(rule, sizeof(rule), "::%s", at);
        rules = curl_slist_append(NULL, rule);
    }
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, local ? at + 5 : NULL);
    curl_easy_setopt(curl, CURLOPT_CONNECT_TO, rules);
    return rules;
}

static int send_it(struct client *client, const struct client_request *request, unsigned *status,
                   struct err *err)
{
    CURL *curl = client->curl;
    struct curl_slist *headers = make_headers(request), *rules = connect_to(curl, request->at);
    char shown[URL_SHOWN_BYTES];
    long code = 0;
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, client);
    if (strcmp(request->method, "POST") == 0) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.p ? request->body.p : "");
    } else {
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    }
    client->reason[0] = '\0';
    CURLcode result = curl_easy_perform(curl);
    curl_slist_free_all(headers);
    curl_slist_free_all(rules);
    if (result != CURLE_OK)
        return err_set(err, ERR_IO, "%s: %s", url_shown(request->url, shown),
                       client->reason[0] ? client->reason : curl_easy_strerror(result));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
    *status = (unsigned)code;
    return 0;
}

int client_send(struct client *client, const struct client_request *request, unsigned *status,
                struct buf *answer, struct err *err)
{
    client->answer = answer;
    client->fd = -1;
    return send_it(client, request, status, err);
}

int client_download(struct client *client, const char *url, int fd, unsigned *status,
                    struct buf *answer, struct err *err)
{
    struct client_request request = {.method = "GET", .url = url};
    client->answer = answer;
    client->fd = fd;
    return send_it(client, &request, status, err);
}
