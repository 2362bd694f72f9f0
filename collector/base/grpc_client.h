/* grpc_client.h - unary gRPC calls in clear text over one connection, which is kept between calls
 * and made anew when it has ended. Blocks. One thread a client.
 *
 * libcurl 7.88, which Debian 12 has, cannot use a connection of HTTP/2 a second time.
 */
#ifndef BASE_GRPC_CLIENT_H
#define BASE_GRPC_CLIENT_H

#include "collector/base/err.h"
#include "collector/base/str.h"

struct grpc_client;

/* `address`: host:port. NULL when memory is short. */
struct grpc_client *grpc_client_new(const char *address, uint64_t timeout_ns);
void grpc_client_free(struct grpc_client *client); /* NULL is fine */
/* Sends one message and waits for the status of its answer (2, UNKNOWN, when there was none in it).
 * ERR_IO: no answer came. */
int grpc_client_call(struct grpc_client *client, const char *path, struct str message,
                     unsigned *status, struct err *err);

#endif
