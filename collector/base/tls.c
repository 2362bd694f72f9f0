/* tls.c - see tls.h.
 *
 * Certificates are counted by the connections that use them: GnuTLS keeps what a session was begun
 * with, and a reload must not take it away. The count is touched when a connection is accepted and
 * when it is closed, under the one mutex.
 */
#include "collector/base/tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collector/base/log.h"
#include "collector/base/str.h"

/* RFC 8996: TLS 1.0 and 1.1 are not to be used any more. */
#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE"
#define MAX_PEM ((long)1 << 20)

static const char clear_text_answer[] =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 52\r\n"
    "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
    "this port takes TLS: the address begins with https:\n";

struct certificate {
    gnutls_certificate_credentials_t credentials;
    gnutls_datum_t ticket_key; /* of sessions that are resumed */
    bool asks_clients;
    unsigned n_users; /* connections, and one for being the newest */
};

struct tls {
    pthread_mutex_t mutex;
    struct certificate *newest; /* NULL: clear text */
    gnutls_priority_t priorities;
};

struct channel_tls {
    struct tls *tls;
    struct certificate *certificate;
    gnutls_session_t session;
    bool shaken;         /* the handshake is through */
    const char *refusal; /* why it failed; NULL: it did not */
};

struct tls *tls_new(void)
{
    struct tls *tls = calloc(1, sizeof(*tls));
    if (!tls)
        return NULL;
    pthread_mutex_init(&tls->mutex, NULL);
    if (gnutls_priority_init(&tls->priorities, PRIORITIES, NULL) == GNUTLS_E_SUCCESS)
        return tls;
    free(tls);
    return NULL;
}

static void certificate_free(struct certificate *certificate)
{
    gnutls_certificate_free_credentials(certificate->credentials);
    gnutls_free(certificate->ticket_key.data);
    free(certificate);
}

/* Takes one user away. */
static void certificate_leave(struct tls *tls, struct certificate *certificate)
{
    pthread_mutex_lock(&tls->mutex);
    bool last = certificate && --certificate->n_users == 0;
    pthread_mutex_unlock(&tls->mutex);
    if (last)
        certificate_free(certificate);
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    certificate_leave(tls, tls->newest);
    gnutls_priority_deinit(tls->priorities);
    pthread_mutex_destroy(&tls->mutex);
    free(tls);
}

/* ---- loading ---- */

static int load_files(struct certificate *certificate, const struct tls_files *files,
                      struct err *err)
{
    const char *which = files->cert;
    int code = access(files->key, R_OK) != 0 ? GNUTLS_E_FILE_ERROR : 0;
    if (code)
        which = files->key;
    else
        code = gnutls_certificate_set_x509_key_file(certificate->credentials, files->cert,
                                                    files->key, GNUTLS_X509_FMT_PEM);
    if (code >= 0 && files->client_ca[0]) {
        which = files->client_ca;
        code = gnutls_certificate_set_x509_trust_file(certificate->credentials, which,
                                                      GNUTLS_X509_FMT_PEM);
        code = code == 0 ? GNUTLS_E_NO_CERTIFICATE_FOUND : code;
        certificate->asks_clients = true;
    }
    if (code == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        return err_set(err, ERR_INVALID, "%s: is not the key of %s", files->key, files->cert);
    return code >= 0 ? 0 : err_set(err, ERR_INVALID, "%s: %s", which, gnutls_strerror(code));
}

static struct certificate *certificate_new(const struct tls_files *files, struct err *err)
{
    struct certificate *certificate = calloc(1, sizeof(*certificate));
    bool room = certificate && gnutls_certificate_allocate_credentials(&certificate->credentials) ==
                                   GNUTLS_E_SUCCESS;
    if (!room || gnutls_session_ticket_key_generate(&certificate->ticket_key) < 0) {
        if (room)
            gnutls_certificate_free_credentials(certificate->credentials);
        free(certificate);
        err_set(err, ERR_BUSY, "memory is short");
        return NULL;
    }
    certificate->n_users = 1;
    if (load_files(certificate, files, err) == 0)
        return certificate;
    certificate_free(certificate);
    return NULL;
}

/* Gives NULL where no certificate is named. */
static int read_files(const struct tls_files *files, struct certificate **certificate,
                      struct err *err)
{
    bool half = !files->cert[0] != !files->key[0];
    *certificate = NULL;
    if (half || (files->client_ca[0] && !files->cert[0]))
        return err_set(err, ERR_INVALID,
                       "tls.cert_file and tls.key_file go together, and "
                       "tls.client_ca_file needs both");
    if (files->cert[0] && !(*certificate = certificate_new(files, err)))
        return err->code;
    return 0;
}

int tls_check(const struct tls_files *files, struct err *err)
{
    struct certificate *certificate;
    int code = read_files(files, &certificate, err);
    if (certificate)
        certificate_free(certificate);
    return code;
}

int tls_load(struct tls *tls, const struct tls_files *files, struct err *err)
{
    struct certificate *fresh;
    if (read_files(files, &fresh, err))
        return err->code;
    pthread_mutex_lock(&tls->mutex);
    struct certificate *old = tls->newest;
    tls->newest = fresh;
    pthread_mutex_unlock(&tls->mutex);
    certificate_leave(tls, old);
    return 0;
}

/* ---- a connection ---- */

static struct certificate *newest_of(struct tls *tls)
{
    pthread_mutex_lock(&tls->mutex);
    struct certificate *certificate = tls->newest;
    if (certificate)
        certificate->n_users++;
    pthread_mutex_unlock(&tls->mutex);
    return certificate;
}

/* What a client's certificate must be made for, where it says so. */
static gnutls_typed_vdata_st of_client = {GNUTLS_DT_KEY_PURPOSE_OID,
                                          (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT, 0};

static bool begin_session(struct channel_tls *tls, int fd, const char *protocol)
{
    struct certificate *certificate = tls->certificate;
    gnutls_datum_t name = {(unsigned char *)(uintptr_t)protocol, (unsigned)strlen(protocol)};
    if (gnutls_init(&tls->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0)
        return false;
    gnutls_transport_set_int(tls->session, fd);
    gnutls_handshake_set_timeout(tls->session,
                                 GNUTLS_INDEFINITE_TIMEOUT); /* the server has its own */
    if (certificate->asks_clients) {
        gnutls_certificate_server_set_request(tls->session, GNUTLS_CERT_REQUIRE);
        gnutls_session_set_verify_cert2(tls->session, &of_client, 1, 0);
    }
    return gnutls_priority_set(tls->session, tls->tls->priorities) >= 0 &&
           gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, certificate->credentials) >=
               0 &&
           gnutls_session_ticket_enable_server(tls->session, &certificate->ticket_key) >= 0 &&
           gnutls_alpn_set_protocols(tls->session, &name, 1, 0) >= 0;
}

static void end_session(struct channel_tls *tls)
{
    if (tls->session)
        gnutls_deinit(tls->session);
    certificate_leave(tls->tls, tls->certificate);
    free(tls);
}

bool tls_is_on(struct tls *tls)
{
    if (!tls)
        return false;
    pthread_mutex_lock(&tls->mutex);
    bool on = tls->newest != NULL;
    pthread_mutex_unlock(&tls->mutex);
    return on;
}

bool channel_open(struct channel *channel, int fd, struct tls *tls, const char *protocol)
{
    struct certificate *certificate = tls ? newest_of(tls) : NULL;
    *channel = (struct channel){.fd = fd};
    if (!certificate)
        return true;
    struct channel_tls *own = calloc(1, sizeof(*own));
    if (!own) {
        certificate_leave(tls, certificate);
        return false;
    }
    own->tls = tls;
    own->certificate = certificate;
    if (!begin_session(own, fd, protocol)) {
        end_session(own);
        return false;
    }
    channel->tls = own;
    return true;
}

void channel_close(struct channel *channel)
{
    if (channel->tls)
        end_session(channel->tls);
    close(channel->fd);
    *channel = (struct channel){.fd = -1};
}

/* What a GnuTLS call gave, as recv() and send() would say it. */
static ssize_t as_socket(ssize_t code)
{
    if (code >= 0)
        return code;
    errno = code == GNUTLS_E_AGAIN ? EAGAIN : code == GNUTLS_E_INTERRUPTED ? EINTR : ECONNRESET;
    return -1;
}

/* A socket that is closed with bytes unread resets the connection, and the answer is lost. */
static void drop_unread(int fd)
{
    char bytes[4096];
    for (int i = 0; i < 16 && recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0; i++) {
    }
}

static void tell_refusal(struct channel *channel, int code)
{
    static struct log_limit limit;
    bool clear_text = code == GNUTLS_E_UNEXPECTED_PACKET_LENGTH ||
                      code == GNUTLS_E_UNEXPECTED_PACKET ||
                      code == GNUTLS_E_UNSUPPORTED_VERSION_PACKET;
    channel->tls->refusal =
        clear_text ? "clear text came, and this port takes TLS: use https:" : gnutls_strerror(code);
    log_limited(&limit, LOG_WARN, "tls_refused", "reason=\"%s\"", channel->tls->refusal);
    if (!clear_text) {
        gnutls_alert_send_appropriate(channel->tls->session, code);
        return;
    }
    drop_unread(channel->fd);
    if (send(channel->fd, clear_text_answer, sizeof(clear_text_answer) - 1,
             MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        shutdown(channel->fd, SHUT_WR);
}

/* 0 when it is through. */
static ssize_t handshake(struct channel *channel)
{
    struct channel_tls *tls = channel->tls;
    int code;
    if (tls->refusal)
        return as_socket(GNUTLS_E_INVALID_SESSION);
    do {
        code = gnutls_handshake(tls->session);
    } while (code < 0 && code != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(code));
    if (code < 0 && code != GNUTLS_E_AGAIN)
        tell_refusal(channel, code);
    tls->shaken = code == GNUTLS_E_SUCCESS;
    return as_socket(code);
}

ssize_t channel_recv(struct channel *channel, void *to, size_t n)
{
    struct channel_tls *tls = channel->tls;
    ssize_t code;
    if (!tls)
        return recv(channel->fd, to, n, 0);
    if (!tls->shaken && (code = handshake(channel)) < 0)
        return code;
    do {
        code = gnutls_record_recv(tls->session, to, n);
    } while (code < 0 && code != GNUTLS_E_AGAIN && !gnutls_error_is_fatal((int)code));
    return as_socket(code);
}

ssize_t channel_send(struct channel *channel, const void *bytes, size_t n)
{
    struct channel_tls *tls = channel->tls;
    ssize_t code;
    if (!tls)
        return send(channel->fd, bytes, n, MSG_NOSIGNAL);
    if (!tls->shaken && (code = handshake(channel)) < 0)
        return code;
    do {
        code = gnutls_record_send(tls->session, bytes, n);
    } while (code < 0 && code != GNUTLS_E_AGAIN && !gnutls_error_is_fatal((int)code));
    return as_socket(code);
}

void channel_shutdown(struct channel *channel)
{
    if (channel->tls && channel->tls->shaken)
        gnutls_bye(channel->tls->session, GNUTLS_SHUT_WR);
    shutdown(channel->fd, SHUT_WR);
}

bool channel_may_hold_more(const struct channel *channel)
{
    return channel->tls != NULL;
}

bool channel_wants_room(const struct channel *channel)
{
    const struct channel_tls *tls = channel->tls;
    return tls && !tls->shaken && gnutls_record_get_direction(tls->session) == 1;
}

const char *channel_refusal(const struct channel *channel)
{
    return channel->tls ? channel->tls->refusal : NULL;
}
