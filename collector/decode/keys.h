/* keys.h - the attribute keys that mean something to the call graph, as numbers.
 *
 * One table: X(number, key). Several keys may have one meaning; which is read first is semconv's
 * business.
 */
#ifndef DECODE_KEYS_H
#define DECODE_KEYS_H

#include "collector/model/span.h"

#define KNOWN_KEYS(X)                                                                              \
    X(SERVICE_NAME, "service.name")                                                                \
    X(SERVICE_NAMESPACE, "service.namespace")                                                      \
    X(SERVICE_VERSION, "service.version")                                                          \
    X(SERVICE_INSTANCE_ID, "service.instance.id")                                                  \
    X(K8S_CLUSTER_NAME, "k8s.cluster.name")                                                        \
    X(K8S_NAMESPACE_NAME, "k8s.namespace.name")                                                    \
    X(K8S_POD_NAME, "k8s.pod.name")                                                                \
    X(K8S_POD_IP, "k8s.pod.ip")                                                                    \
    X(K8S_NODE_NAME, "k8s.node.name")                                                              \
    X(K8S_DEPLOYMENT_NAME, "k8s.deployment.name")                                                  \
    X(K8S_REPLICASET_NAME, "k8s.replicaset.name")                                                  \
    X(K8S_STATEFULSET_NAME, "k8s.statefulset.name")                                                \
    X(K8S_DAEMONSET_NAME, "k8s.daemonset.name")                                                    \
    X(K8S_CRONJOB_NAME, "k8s.cronjob.name")                                                        \
    X(K8S_JOB_NAME, "k8s.job.name")                                                                \
    X(K8S_CONTAINER_NAME, "k8s.container.name")                                                    \
    X(FAAS_NAME, "faas.name")                                                                      \
    X(PROCESS_EXECUTABLE_NAME, "process.executable.name")                                          \
    X(HOST_NAME, "host.name")                                                                      \
    X(HOST_IP, "host.ip")                                                                          \
    X(NET_HOST_IP, "net.host.ip")                                                                  \
    X(CLOUD_AVAILABILITY_ZONE, "cloud.availability_zone")                                          \
    X(ZONE, "zone")                                                                                \
    X(TELEMETRY_SDK_NAME, "telemetry.sdk.name")                                                    \
    X(ISTIO_CANONICAL_SERVICE, "istio.canonical_service")                                          \
    X(ISTIO_CANONICAL_REVISION, "istio.canonical_revision")                                        \
    X(ISTIO_NAMESPACE, "istio.namespace")                                                          \
    X(ISTIO_CLUSTER_ID, "istio.cluster_id")                                                        \
    X(ISTIO_MESH_ID, "istio.mesh_id")                                                              \
    X(NODE_ID, "node_id")                                                                          \
    X(COMPONENT, "component")                                                                      \
    X(UPSTREAM_CLUSTER, "upstream_cluster")                                                        \
    X(UPSTREAM_CLUSTER_NAME, "upstream_cluster.name")                                              \
    X(UPSTREAM_ADDRESS, "upstream_address")                                                        \
    X(RESPONSE_FLAGS, "response_flags")                                                            \
    X(REQUEST_ID, "guid:x-request-id")                                                             \
    X(HEADER_REQUEST_ID, "http.request.header.x-request-id")                                       \
    X(HEADER_REQUEST_ID_OLD, "http.request.header.x_request_id")                                   \
    X(CANCELED, "canceled")                                                                        \
    X(ERROR, "error")                                                                              \
    X(RETRY_COUNT, "retry.count")                                                                  \
    X(HTTP_REQUEST_RESEND_COUNT, "http.request.resend_count")                                      \
    X(HTTP_RESEND_COUNT, "http.resend_count")                                                      \
    X(HTTP_RESPONSE_STATUS_CODE, "http.response.status_code")                                      \
    X(HTTP_STATUS_CODE, "http.status_code")                                                        \
    X(HTTP_REQUEST_METHOD, "http.request.method")                                                  \
    X(HTTP_METHOD, "http.method")                                                                  \
    X(URL_FULL, "url.full")                                                                        \
    X(HTTP_URL, "http.url")                                                                        \
    X(URL_SCHEME, "url.scheme")                                                                    \
    X(HTTP_SCHEME, "http.scheme")                                                                  \
    X(URL_PATH, "url.path")                                                                        \
    X(HTTP_TARGET, "http.target")                                                                  \
    X(HTTP_HOST, "http.host")                                                                      \
    X(HTTP_PROTOCOL, "http.protocol")                                                              \
    X(RPC_STATUS_CODE, "rpc.status_code")                                                          \
    X(RPC_RESPONSE_STATUS_CODE, "rpc.response.status_code")                                        \
    X(RPC_GRPC_STATUS_CODE, "rpc.grpc.status_code")                                                \
    X(GRPC_STATUS_CODE, "grpc.status_code")                                                        \
    X(GRPC_STATUS, "grpc-status")                                                                  \
    X(GRPC_PATH, "grpc.path")                                                                      \
    X(GRPC_AUTHORITY, "grpc.authority")                                                            \
    X(RPC_SYSTEM_NAME, "rpc.system.name")                                                          \
    X(RPC_SYSTEM, "rpc.system")                                                                    \
    X(DB_SYSTEM_NAME, "db.system.name")                                                            \
    X(DB_SYSTEM, "db.system")                                                                      \
    X(DB_NAMESPACE, "db.namespace")                                                                \
    X(DB_NAME, "db.name")                                                                          \
    X(MESSAGING_SYSTEM, "messaging.system")                                                        \
    X(MESSAGING_DESTINATION_NAME, "messaging.destination.name")                                    \
    X(MESSAGING_DESTINATION_TEMPLATE, "messaging.destination.template")                            \
    X(MESSAGING_DESTINATION, "messaging.destination")                                              \
    X(MESSAGING_OPERATION_TYPE, "messaging.operation.type")                                        \
    X(MESSAGING_OPERATION, "messaging.operation")                                                  \
    X(SERVICE_PEER_NAME, "service.peer.name")                                                      \
    X(SERVICE_PEER_NAMESPACE, "service.peer.namespace")                                            \
    X(PEER_SERVICE, "peer.service")                                                                \
    X(SERVER_ADDRESS, "server.address")                                                            \
    X(NET_PEER_NAME, "net.peer.name")                                                              \
    X(NETWORK_PEER_ADDRESS, "network.peer.address")                                                \
    X(NET_SOCK_PEER_NAME, "net.sock.peer.name")                                                    \
    X(NET_SOCK_PEER_ADDR, "net.sock.peer.addr")                                                    \
    X(NET_PEER_IP, "net.peer.ip")                                                                  \
    X(PEER_ADDRESS, "peer.address")                                                                \
    X(PEER_HOSTNAME, "peer.hostname")                                                              \
    X(CLIENT_ADDRESS, "client.address")                                                            \
    X(HTTP_CLIENT_IP, "http.client_ip")                                                            \
    X(TLS_PROTOCOL_VERSION, "tls.protocol.version")                                                \
    X(TLS_CIPHER, "tls.cipher")                                                                    \
    X(TLS_ESTABLISHED, "tls.established")                                                          \
    X(TLS_CLIENT_SUBJECT, "tls.client.subject")                                                    \
    X(TLS_SERVER_SUBJECT, "tls.server.subject")                                                    \
    X(PEER_PRINCIPAL, "peer.principal")                                                            \
    X(SOURCE_PRINCIPAL, "source.principal")                                                        \
    X(DESTINATION_PRINCIPAL, "destination.principal")                                              \
    X(ISTIO_SOURCE_PRINCIPAL, "istio.source_principal")                                            \
    X(ISTIO_DESTINATION_PRINCIPAL, "istio.destination_principal")                                  \
    X(CONNECTION_MTLS, "connection.mtls")                                                          \
    X(CONNECTION_SECURITY_POLICY, "connection_security_policy")                                    \
    X(ISTIO_SECURITY_POLICY, "istio.connection_security_policy")                                   \
    X(SAMPLER_TYPE, "sampler.type")                                                                \
    X(SAMPLER_PARAM, "sampler.param")

enum known_key {
#define X(number, key) KEY_##number,
    KNOWN_KEYS(X)
#undef X
        N_KNOWN_KEYS
};

/* The number of a key, N_KNOWN_KEYS for one that means nothing here. */
enum known_key key_number(struct str key);

/* The attributes of one row by what they mean; NULL where there is none. */
struct seen_keys {
    const struct attr *at[N_KNOWN_KEYS + 1]; /* the last collects all that mean nothing */
};

void keys_seen(struct seen_keys *seen, const struct attr *attrs, uint32_t n);
/* The text of the first key in the list (ended by N_KNOWN_KEYS) that has one; '' and '-' count as
 * none. */
struct str keys_first_text(const struct seen_keys *seen, const uint8_t *list);

#endif
