/* httpd_listen.c - an address becomes a listening socket. */
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "collector/base/httpd_internal.h"

#define BACKLOG 512

static int listen_unix(struct httpd *httpd, const char *path, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path))
        return err_set(err, ERR_INVALID, "unix:%s: the path is too long", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    httpd->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(path);
    if (httpd->listen_fd < 0 ||
        bind(httpd->listen_fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(httpd->listen_fd, BACKLOG) != 0)
        return err_set(err, ERR_IO, "unix:%s: cannot listen: %s", path, strerror(errno));
    httpd->unix_path = strdup(path);
    snprintf(httpd->address, sizeof(httpd->address), "unix:%s", path);
    return 0;
}

static void name_address(struct httpd *httpd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    char host[64], port[8];
    if (getsockname(httpd->listen_fd, (struct sockaddr *)&address, &length) != 0 ||
        getnameinfo((struct sockaddr *)&address, length, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    snprintf(httpd->address, sizeof(httpd->address),
             address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

/* Accepted sockets inherit what is set here. */
static int bind_one(struct httpd *httpd, const struct addrinfo *info)
{
    int one = 1;
    httpd->listen_fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (httpd->listen_fd < 0)
        return -1;
    setsockopt(httpd->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(httpd->listen_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return bind(httpd->listen_fd, info->ai_addr, info->ai_addrlen) == 0
               ? listen(httpd->listen_fd, BACKLOG)
               : -1;
}

static int listen_tcp(struct httpd *httpd, const char *listen_address, struct err *err)
{
    char host[128];
    const char *colon = strrchr(listen_address, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV},
                    *info = NULL;
    if (!colon || (size_t)(colon - listen_address) >= sizeof(host))
        return err_set(err, ERR_INVALID, "%s: an address is host:port", listen_address);
    bool bracketed = listen_address[0] == '[';
    snprintf(host, sizeof(host), "%.*s", (int)(colon - listen_address) - 2 * bracketed,
             listen_address + bracketed);
    int code = getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &info);
    if (code)
        return err_set(err, ERR_IO, "%s: %s", listen_address, gai_strerror(code));
    code = bind_one(httpd, info);
    int reason = errno;
    freeaddrinfo(info);
    if (code)
        return err_set(err, ERR_IO, "%s: cannot listen: %s", listen_address, strerror(reason));
    name_address(httpd);
    return 0;
}

int httpd_listen(struct httpd *httpd, struct err *err)
{
    const char *address = httpd->settings.listen;
    return strncmp(address, "unix:", 5) == 0 ? listen_unix(httpd, address + 5, err)
                                             : listen_tcp(httpd, address, err);
}
