/* graph.h - what stitch() says of one trace: its calls, what each span turned out to be, and the
 * trace as a whole. This, as it was counted, is stored with the trace, so that a reopening can
 * subtract it.
 */
#ifndef MODEL_GRAPH_H
#define MODEL_GRAPH_H

#include "collector/model/record.h"

#define NO_SPAN UINT32_MAX

/* Where a physical hop begins or ends. The numbers are stored: append, never renumber. */
enum hop_place {
    PLACE_APPLICATION,
    PLACE_SIDECAR,
    PLACE_GATEWAY,
    PLACE_WAYPOINT,
    PLACE_LOAD_BALANCER
};

enum hop_outcome { HOP_FINE, HOP_CLIENT_ERROR, HOP_FAILED };

/* A part of the way from the caller's application to the callee's, in order of passing. */
struct hop {
    uint64_t time_ns; /* spent there by the last attempt; DURATION_UNKNOWN */
    name_no name;     /* whose it is; of a network hop: to whom it leads */
    name_no from;     /* of a network hop: the gateway it leaves, NAME_NONE the caller */
    uint8_t kind;     /* enum hop_kind */
    uint8_t from_place, to_place; /* of a network hop: enum hop_place */
    uint8_t outcome;              /* enum hop_outcome */
};

/* One logical call; retries are folded into it. */
struct call {
    uint64_t start_ns;  /* decides the minute: the caller half's start, else the callee's */
    uint64_t caller_ns; /* from the first attempt's start to the last one's end; DURATION_UNKNOWN
                           without a caller half or good times */
    uint64_t callee_ns; /* of the last attempt; DURATION_UNKNOWN without */
    uint64_t transit_ns; /* caller's − callee's duration of the last attempt; DURATION_UNKNOWN where
                            not counted */
    node_no caller, callee;
    name_no protocol, via; /* via: gateways between, joined by ',' in order of passing */
    name_no operation;     /* the callee's, as it is known */
    uint32_t caller_span;  /* index into the records of the last attempt's caller half, NO_SPAN */
    uint32_t callee_span;  /* index of the last attempt's callee half, NO_SPAN */
    float weight;
    uint16_t retries;                                      /* attempts − 1 */
    uint8_t connection_type, known_by, crossing, security; /* enums of words.h */
    uint8_t fault;  /* FAULT_NONE, _ORIGIN, _CARRIED, _CLIENT_GONE, _CLIENT_ERROR; a recovered call
                       is FAULT_NONE with recovered set */
    bool recovered; /* an attempt failed, the last did not */
    bool hairpin;
    uint8_t n_hops;
    uint32_t first_hop; /* of the graph's hops */
    uint64_t added_ns;  /* of a hairpin: what the way through the gateway took; DURATION_UNKNOWN */
    uint64_t bytes;     /* of a hairpin: request and response, as the gateway says; 0 unknown */
};

/* Where a span stands in its workload's stay. */
enum span_part {
    PART_INSIDE,  /* neither end of a call: work of the workload */
    PART_IN,      /* an incoming half: what is not its children's is work of the workload */
    PART_OUT,     /* an outgoing half: what is not its callee's is the way there */
    PART_BETWEEN, /* of a gateway on the way between two workloads */
};

/* What a span turned out to be; same index as its record. */
struct span_result {
    uint64_t self_ns; /* duration − union of its children clipped to it; DURATION_UNKNOWN for bad
                         times */
    node_no node;  /* its node with unknowns filled in from its halves and trace (role as the span's
                      own) */
    node_no peer;  /* the other end of its call, NODE_NONE when there is none */
    uint8_t fault; /* enum fault, of the span */
    uint8_t class; /* enum ledger_class: one of paired … local */
    uint8_t part;  /* enum span_part */
    bool failed;   /* the span's own outcome counts as an error (STITCHING §4) */
    bool client_error; /* … as a client error */
    bool again;        /* an access log's entry that says again what a span said: counts nowhere */
};

struct trace_result {
    uint64_t start_ns,
        duration_ns; /* of the entry (the root), else from the first start to the last end */
    node_no entry;
    name_no entry_operation;
    node_no origin; /* NODE_NONE when the trace is ok */
    name_no origin_operation;
    name_no origin_reason; /* 'UH', '503', 'grpc 14', 'timeout', the status message's first 80 bytes
                              … */
    uint32_t span_count, service_count,
        error_count;     /* spans; different (cluster, namespace, service); failed spans */
    uint32_t parts;      /* pieces not connected by parents */
    bool error;          /* the entry call failed */
    bool complete;       /* parts = 1, no orphan, nothing unstitched */
    bool late_piece;     /* of a trace of which an older part cannot be opened again */
    bool began_by_proxy; /* its first span is a sidecar's, of a call of its workload */
};

/* Whom a proxy served that does not say what it is: from here its kind is learnt
 * (stitch/proxies.h).
 */
struct served {
    node_no proxy; /* without version, as a workload */
    name_no name;  /* of whom it handed the request to; its own service: its own application */
};

/* Who answered to a name by which others call it and that is not its own, or not its alone: learnt
 * from here (stitch/addresses.h).
 */
struct answered {
    name_no name;
    node_no node;
};

struct graph {
    struct call *calls;
    uint32_t n_calls;
    struct hop *hops; /* of all calls */
    uint32_t n_hops;
    struct span_result *spans; /* one per record */
    struct served *served;     /* of proxies of unknown kind; not stored */
    uint32_t n_served;
    struct answered *answered; /* not stored */
    uint32_t n_answered;
    struct trace_result trace;
};

#endif
