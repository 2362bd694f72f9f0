/* words.h - the closed lists of CONTRACT §5, as numbers inside and as words outside.
 *
 * The numbers of this file are stored in the database: append, never renumber.
 */
#ifndef MODEL_WORDS_H
#define MODEL_WORDS_H

#include <stdint.h>

#include "collector/base/str.h"

/* OTLP's numbers. */
enum span_kind {
    KIND_UNSET,
    KIND_INTERNAL,
    KIND_SERVER,
    KIND_CLIENT,
    KIND_PRODUCER,
    KIND_CONSUMER,
    N_KINDS
};
enum span_status { STATUS_UNSET, STATUS_OK, STATUS_ERROR, N_STATUSES };

enum fault {
    FAULT_NONE,
    FAULT_ORIGIN,
    FAULT_CARRIED,
    FAULT_RECOVERED,
    FAULT_CLIENT_GONE,
    FAULT_CLIENT_ERROR,
    N_FAULTS
};

enum role {
    ROLE_WORKLOAD,
    ROLE_SIDECAR,
    ROLE_GATEWAY,
    ROLE_WAYPOINT,
    ROLE_LOAD_BALANCER,
    ROLE_DATABASE,
    ROLE_CACHE,
    ROLE_QUEUE,
    ROLE_EXTERNAL,
    ROLE_USER,
    N_ROLES
};

enum connection_type {
    CONNECTION_PLAIN,
    CONNECTION_MESSAGING,
    CONNECTION_DATABASE,
    CONNECTION_VIRTUAL,
    N_CONNECTION_TYPES
};

enum known_by {
    KNOWN_BOTH,
    KNOWN_CALLEE_ONLY,
    KNOWN_CALLER_ONLY,
    KNOWN_LINK,
    KNOWN_LOG,
    KNOWN_REQUEST_ID,
    KNOWN_ENTRY,
    N_KNOWN_BY
};
#define KNOWN_BY_SERIES 8u /* beside one of them in table edge: told by series, not by spans */

enum crossing {
    CROSSING_UNKNOWN,
    CROSSING_INSIDE,
    CROSSING_IN,
    CROSSING_OUT,
    CROSSING_NAMESPACE,
    CROSSING_CLUSTER,
    CROSSING_ZONE,
    N_CROSSINGS
};

enum hop_kind {
    HOP_APPLICATION,
    HOP_SIDECAR_OUT,
    HOP_GATEWAY,
    HOP_LOAD_BALANCER,
    HOP_WAYPOINT,
    HOP_NETWORK,
    HOP_SIDECAR_IN,
    N_HOPS
};

enum edge_event {
    EVENT_NEW,
    EVENT_GONE,
    EVENT_RETURNED,
    EVENT_FIRST_PLAINTEXT,
    EVENT_NEW_VERSION,
    EVENT_HAIRPIN,
    N_EDGE_EVENTS
};

enum security { SECURITY_UNKNOWN, SECURITY_PLAINTEXT, SECURITY_TLS, SECURITY_MTLS, N_SECURITIES };

enum format {
    FORMAT_OTLP_PB,
    FORMAT_OTLP_JSON,
    FORMAT_ZIPKIN_JSON,
    FORMAT_ZIPKIN_PB,
    FORMAT_JAEGER_JSON,
    FORMAT_ENVOY_ALS,
    FORMAT_ACCESS_LOG_OTLP,
    FORMAT_ALB,
    FORMAT_NLB,
    FORMAT_APIGW,
    FORMAT_NGINX,
    FORMAT_HAPROXY,
    FORMAT_ENVOY_LOG,
    FORMAT_REMOTE_WRITE,
    N_FORMATS
};

/* What a body's records are: OTLP has the same formats for all three. Stored in the inbox: append
 * only. */
enum signal { SIGNAL_TRACES, SIGNAL_METRICS, SIGNAL_LOGS, N_SIGNALS };

enum transport { TRANSPORT_HTTP, TRANSPORT_GRPC, TRANSPORT_KAFKA, TRANSPORT_FILE, N_TRANSPORTS };

/* How a body's bytes were compressed when they came. */
enum encoding {
    ENCODING_IDENTITY,
    ENCODING_GZIP,
    ENCODING_DEFLATE,
    ENCODING_ZSTD,
    ENCODING_SNAPPY,
    N_ENCODINGS
};

/* Where a received record is in the ledger (STITCHING §6); columns of `ingest_minute` in this
 * order. */
enum ledger_class {
    LEDGER_REJECTED,
    LEDGER_DUPLICATE,
    LEDGER_PENDING,
    LEDGER_PAIRED,
    LEDGER_CALLER_ONLY,
    LEDGER_CALLEE_ONLY,
    LEDGER_ENTRY,
    LEDGER_ORPHAN,
    LEDGER_LOCAL,
    LEDGER_STORED,
    N_LEDGER_CLASSES
};

/* The word for a number, "" for 0 where CONTRACT says '' and for numbers out of range. */
const char *kind_word(unsigned kind);
const char *status_word(unsigned status);
const char *fault_word(unsigned fault);
const char *role_word(unsigned role);
const char *connection_type_word(unsigned type);
const char *known_by_word(unsigned known_by);
const char *crossing_word(unsigned crossing);
const char *hop_word(unsigned hop);
const char *security_word(unsigned security);
const char *edge_event_word(unsigned kind);
const char *format_word(unsigned format);
const char *transport_word(unsigned transport);
const char *encoding_word(unsigned encoding);
const char *ledger_word(unsigned class);
/* The number for a word, -1 when there is none. */
int kind_from_word(struct str word);
int format_from_word(struct str word);
int fault_from_word(struct str word);
int role_from_word(struct str word);

/* Envoy's response flags as bits (formats: response flags). */
enum response_flag {
    FLAG_LH,
    FLAG_UH,
    FLAG_UT,
    FLAG_LR,
    FLAG_UR,
    FLAG_UF,
    FLAG_UC,
    FLAG_UO,
    FLAG_NR,
    FLAG_URX,
    FLAG_NC,
    FLAG_DT,
    FLAG_DC,
    FLAG_DR,
    FLAG_DPE,
    FLAG_IH,
    FLAG_SI,
    FLAG_UMSDR,
    FLAG_UPE,
    FLAG_RL,
    FLAG_RLSE,
    FLAG_UAEX,
    FLAG_DI,
    FLAG_FI,
    FLAG_RFCF,
    FLAG_NFCF,
    FLAG_OM,
    FLAG_DF,
    FLAG_DO,
    N_RESPONSE_FLAGS
};
#define FLAG_BIT(flag) (UINT32_C(1) << (flag))
#define FLAG_BIT_OTHER (UINT32_C(1) << 31) /* a flag this program does not know */

#define LEAST_LONG_FLAG 10 /* bytes of the shortest long name, LocalReset */

/* The flag with this name, the short or the long one; -1 when there is none. */
int response_flag_number(struct str name);
/* "URX,UF" (any order, names of either length; "-" and "" are none) to bits. */
uint32_t response_flags_parse(struct str text);
/* The short name of one flag. */
const char *response_flag_word(unsigned flag);

#endif
