/* listener.h - an address becomes a listening socket: "host:port" (port 0: any free), or
 * "unix:/path". */
#ifndef BASE_LISTENER_H
#define BASE_LISTENER_H

#include "collector/base/err.h"

struct listener {
    int fd;            /* -1 when closed; does not block */
    char address[160]; /* as the ready line prints it: "127.0.0.1:4318" */
    char *unix_path;   /* NULL for TCP */
};

int listener_open(const char *listen_address, struct listener *listener, struct err *err);
/* Also of one that could not be opened. */
void listener_close(struct listener *listener);

struct sockaddr_storage;
/* The address of a peer, without its port; "unix" when it has none. */
void listener_name_peer(const struct sockaddr_storage *address, char peer[64]);

#endif
