/* listener.c - sockets that listen. */
#include "collector/base/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 512

static int listen_unix(struct listener *listener, const char *path, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path))
        return err_set(err, ERR_INVALID, "unix:%s: the path is too long", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(path);
    if (listener->fd < 0 || bind(listener->fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener->fd, BACKLOG) != 0)
        return err_set(err, ERR_IO, "unix:%s: cannot listen: %s", path, strerror(errno));
    listener->unix_path = strdup(path);
    snprintf(listener->address, sizeof(listener->address), "unix:%s", path);
    return 0;
}

static void name_address(struct listener *listener)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    char host[64], port[8];
    if (getsockname(listener->fd, (struct sockaddr *)&address, &length) != 0 ||
        getnameinfo((struct sockaddr *)&address, length, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    snprintf(listener->address, sizeof(listener->address),
             address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

/* Accepted sockets inherit what is set here. */
static int bind_one(struct listener *listener, const struct addrinfo *info)
{
    int one = 1;
    listener->fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0)
        return -1;
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(listener->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return bind(listener->fd, info->ai_addr, info->ai_addrlen) == 0 ? listen(listener->fd, BACKLOG)
                                                                    : -1;
}

static int listen_tcp(struct listener *listener, const char *listen_address, struct err *err)
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
    code = bind_one(listener, info);
    int reason = errno;
    freeaddrinfo(info);
    if (code)
        return err_set(err, ERR_IO, "%s: cannot listen: %s", listen_address, strerror(reason));
    name_address(listener);
    return 0;
}

int listener_open(const char *listen_address, struct listener *listener, struct err *err)
{
    *listener = (struct listener){.fd = -1};
    int code = strncmp(listen_address, "unix:", 5) == 0
                   ? listen_unix(listener, listen_address + 5, err)
                   : listen_tcp(listener, listen_address, err);
    if (code)
        listener_close(listener);
    return code;
}

void listener_close(struct listener *listener)
{
    if (listener->fd >= 0)
        close(listener->fd);
    if (listener->unix_path)
        unlink(listener->unix_path);
    free(listener->unix_path);
    *listener = (struct listener){.fd = -1};
}

void listener_name_peer(const struct sockaddr_storage *address, char peer[64])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
    const void *bytes = address->ss_family == AF_INET    ? (const void *)&v4->sin_addr
                        : address->ss_family == AF_INET6 ? (const void *)&v6->sin6_addr
                                                         : NULL;
    if (!bytes || !inet_ntop(address->ss_family, bytes, peer, 64))
        memcpy(peer, "unix", sizeof("unix"));
}
