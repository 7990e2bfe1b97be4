/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_SINKS_SINK_H
#define LB_SHIP_SINKS_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"

/*
 * What a sink is: how bodies are framed, what they may hold, where they go,
 * and what an answer means. Pure: the shipper owns transport, retries and
 * compression, so no sink ever touches a socket.
 */
enum lb_verdict {
    LB_VERDICT_DELIVERED = 0,
    LB_VERDICT_RETRY, /* again, later, no sooner than the answer asks for */
    LB_VERDICT_CLOCK, /* a certificate seems not yet or no more valid: our clock may be wrong */
    LB_VERDICT_SPLIT, /* too large: in smaller bodies, at once; a record that is too large alone is refused */
    LB_VERDICT_BISECT, /* something in it is refused: find the record, and reject it alone */
    LB_VERDICT_RECODE, /* the sink does not read this Content-Encoding */
    LB_VERDICT_PARTLY, /* it has all but some, which it will never take: partly() tells them */
    LB_VERDICT_PAUSE,  /* the sink takes nothing from us until somebody changes something: keep all, say so */
    LB_VERDICT_COUNT
};

enum lb_transport_kind {
    LB_TRANSPORT_HTTP = 0,
    LB_TRANSPORT_FILE,
    LB_TRANSPORT_STREAM,
    LB_TRANSPORT_MQTT,
    LB_TRANSPORT_NONE
};

#define LB_MQTT_MESSAGE_MAX (96 * 1024) /* of a packed body */

struct lb_sink_limits {
    size_t body_bytes; /* uncompressed, with head-room under what the sink takes */
    size_t body_lines;
    size_t record_bytes; /* one encoded record */
    bool has_window;     /* it takes no stamp that is far from its own time: [sink] max_age counts */
    uint64_t future_ms;  /* has_window: how far ahead a stamp may be */
};

/* The step of a request that failed. */
enum lb_answer_step { LB_STEP_NONE = 0, LB_STEP_RESOLVE, LB_STEP_CONNECT, LB_STEP_SECURE, LB_STEP_ANSWER };

/* How long the steps of one request took, each from its begin, in microseconds; 0: it was not reached. */
struct lb_answer_steps {
    uint64_t resolved_us, connected_us, secured_us, answered_us;
    char address[64]; /* of the other end, "" where none was reached */
};

/* What came back for one body. */
struct lb_answer {
    int error; /* 0: there is an answer | > 0: a CURLcode (HTTP) or an errno (file, mqtt, datagrams): there is
                  none */
    long status;             /* HTTP status, or a reason code of MQTT 5; 0 without one */
    char text[256];          /* what came back, for people, never a secret; may be "" when all is well */
    size_t wire_bytes;       /* sent, heads included */
    size_t link_bytes;       /* the same, with what TLS adds by estimate; 0: it never touched a network */
    uint64_t retry_after_ms; /* what the answer asked for; 0: nothing, or a date that is past */
    uint64_t date_s;         /* Date of an answer whose sender's certificate was verified; 0: none */
    bool is_clock_fault;     /* the certificate is not valid at our time, and nothing else is wrong with it */
    enum lb_answer_step broken; /* error, HTTP: where it went wrong */
    struct lb_answer_steps steps;
    const char *reply; /* what the sink's answer says, reply_len bytes, cut at 64 KiB, only where the sink
                          reads_reply, or messages that no datagram takes; gone after the callback */
    size_t reply_len;
};

/* Which records of a body a sink has refused for good, while it took the others. */
#define LB_PARTLY_MAX 256u
struct lb_partly {
    uint32_t index[LB_PARTLY_MAX]; /* of the body's records, from 0, rising */
    unsigned count;
    uint64_t before_ns,
        from_ns;      /* those with a stamp before the one, and from the other on; 0: none for that */
    uint64_t unknown; /* and so many that nobody can tell apart */
};

struct lb_encoder;
struct lb_record;

/* The numbers that a body holds, by which a receiver proves that it has all; by lane, 0: none. */
struct lb_body_ranges {
    uint64_t ring_id;
    uint64_t range[2][2];
};

/* A body while it is written. What is in a group belongs to the format. */
struct lb_composer {
    struct lb_encoder *encoder;
    const struct lb_config *config;
    const struct lb_sink_config *sink_config;
    bool is_replay;     /* what it holds has waited in the backlog */
    unsigned records;   /* that are in it */
    char *group[2];     /* where what is open begins, outer and inner; NULL: nothing is */
    uint64_t group_key; /* what the records in it have in common */
};

/*
 * How bodies are written that are not objects of lb_encode_record() between
 * three texts. A record that turns out not to fit is taken back by putting the
 * composer back as it was, and the text's end; what add() has written before
 * that, into a group that is open, it must be ready to write again.
 */
#define LB_FORMAT_FRAME 512u
struct lb_sink_format {
    /* At most LB_FORMAT_FRAME bytes. Returns one past the last, as all three. */
    char *(*begin)(struct lb_composer *composer, char *to);

    /* One record: at most lb_encode_bound(record) + LB_FORMAT_FRAME bytes. */
    char *(*add)(struct lb_composer *composer, const struct lb_record *record, char *to);

    /* After one record at least: close what is open; ranges (NULL: they are not wanted) go to the last
     * record. At most LB_FORMAT_FRAME bytes. */
    char *(*end)(struct lb_composer *composer, const struct lb_body_ranges *ranges, char *to);
};

#define LB_SINK_HEADERS_MAX 14
#define LB_SINK_HEADER_LEN  512
#define LB_SINK_URL_LEN     4200

/* Where bodies go, made once from the configuration. Holds a secret: never logged, wiped when closed. */
struct lb_target {
    char url[LB_SINK_URL_LEN]; /* HTTP: in full; file: the path */
    char header[LB_SINK_HEADERS_MAX][LB_SINK_HEADER_LEN];
    unsigned headers;
    bool reads_reply;    /* HTTP: what answers say is kept */
    char unix_path[108]; /* stream: of a unix socket; "" none */
    char secret[512];    /* mqtt: the password; "" none */
    bool is_datagram;    /* stream: that socket takes datagrams, a message each */
};

struct lb_sink {
    const char *type;
    enum lb_transport_kind transport;
    bool reads_reply; /* judge() and partly() look at what answers say */
    struct lb_sink_limits limits;
    const struct lb_sink_format *format; /* NULL: objects of lb_encode_record() between these */
    const char *begin, *between, *end;   /* framing of a body */
    const char *probe;                   /* an empty body that the sink accepts, or judge_probe() knows … */
    size_t probe_len;                    /* … where it is no text; 0: it is one */

    /*
     * Fill in the target.
     *   key       the secret, "" where the settings ask for none (lb_sink_needs_key)
     *   returns   0 | -E2BIG url or header too long
     */
    int (*aim)(const struct lb_sink_config *config, const char *key, struct lb_target *ret_target);

    /*
     * Fill in the target of a GET by which the sink tells whether the key is
     * right; any 2xx means that it is. As aim() otherwise. NULL: it has none.
     *   returns   0 | -E2BIG | -ENOENT this configuration has none
     */
    int (*aim_check)(const struct lb_sink_config *config, const char *key, struct lb_target *ret_target);

    /*
     * What an answer means for the body. By the answer alone: whether a 400
     * comes from the encoding or from a record is for the shipper to find out.
     */
    enum lb_verdict (*judge)(const struct lb_answer *answer);

    /* The settings count too, where this is there; judge() is not asked then. */
    enum lb_verdict (*judge_by)(const struct lb_sink_config *config, const struct lb_answer *answer);

    /* What an answer to the probe means, where the same answer to a body would mean something else. NULL:
     * nowhere. */
    enum lb_verdict (*judge_probe)(const struct lb_answer *answer);

    /*
     * What an answer says of itself that its status does not, for people; to: size bytes, "" where that is
     * nothing. Only words that we know, or that can hold nothing of ours: it is logged. NULL: statuses say it
     * all.
     */
    void (*explain)(const struct lb_answer *answer, char *to, size_t size);

    /* After LB_VERDICT_PARTLY: which are refused. NULL: this sink never says so. */
    void (*partly)(const struct lb_answer *answer, struct lb_partly *ret_partly);
};

/*
 * The sink of a type.
 *   returns   a static row, or NULL: no such type
 *   calls     any thread
 */
const struct lb_sink *lb_sink_find(const char *type);

/*
 * The sink that a section asks for.
 *   returns   a static row, or NULL: no such type
 *   calls     any thread
 */
const struct lb_sink *lb_sink_of(const struct lb_sink_config *config);

/*
 * How long the empty body of a sink is, in bytes.
 *   calls     any thread
 */
size_t lb_sink_probe_len(const struct lb_sink *sink);

/*
 * What an answer means to a sink with these settings.
 *   calls     any thread
 */
enum lb_verdict lb_sink_judge(const struct lb_sink *sink, const struct lb_sink_config *config,
                              const struct lb_answer *answer);

/*
 * The same for an answer to the sink's empty body (probe): DELIVERED means that it would take lines.
 *   calls     any thread
 */
enum lb_verdict lb_sink_judge_probe(const struct lb_sink *sink, const struct lb_sink_config *config,
                                    const struct lb_answer *answer);

#endif
