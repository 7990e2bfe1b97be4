/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_CONFIG_H
#define LB_COMMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/level.h"
#include "common/quota.h"

/*
 * The configuration: one immutable snapshot per load. Loaded by whoever may
 * touch the disk (start-up, then the card side), handed to the other threads
 * by pointer, freed when the last of them has moved on to the next one.
 *
 * Durations are milliseconds, sizes bytes, rates per second unless the name
 * says otherwise. LB_OFF is what `off` reads as, LB_AUTO what `auto` does.
 */
#define LB_OFF  UINT64_MAX
#define LB_AUTO (UINT64_MAX - 1)
#define LB_SINK_NONE \
    "(none)" /* name of a sink that is not in the files: the records of all are shared by others */
#define LB_SINKS_MAX       4 /* each has a queue, books and a transport of its own */
#define LB_SERVICES_MAX    256
#define LB_INPUTS_MAX      15 /* each keeps its place in a row of the state file, whose last row is taken */
#define LB_INPUT_UNITS_MAX 64
#define LB_RULES_MAX       64 /* of one kind in one section */
#define LB_RULE_NAME_MAX   40
#define LB_NAME_MAX        128
/* What [redact] builtin may name; agent/shape/redact.h decides what each is. */
#define LB_REDACT_NAMES                                                                                 \
    "authorization, password, url, aws, gcp, github, slack, stripe, datadog, vendor, jwt, pem, email, " \
    "card, iban, "                                                                                      \
    "ipv4, ipv6"
#define LB_VALUE_MAX         4096 /* bytes of one value (design.md 4) */
#define LB_CONFIG_FAULTS_MAX 100

enum lb_overload { LB_OVERLOAD_SHED = 0, LB_OVERLOAD_WAIT };
enum lb_compression { LB_COMPRESSION_NONE = 0, LB_COMPRESSION_GZIP, LB_COMPRESSION_ZSTD };
enum lb_expired { LB_EXPIRED_RESTAMP = 0, LB_EXPIRED_DROP };
enum lb_auth { LB_AUTH_NONE = 0, LB_AUTH_BEARER, LB_AUTH_BASIC, LB_AUTH_APIKEY, LB_AUTH_HEADER };
enum lb_format { LB_FORMAT_NDJSON = 0, LB_FORMAT_ARRAY };
enum lb_mqtt_protocol { LB_MQTT_311 = 0, LB_MQTT_5 };
enum lb_sequence { LB_SEQUENCE_OFF = 0, LB_SEQUENCE_BATCH, LB_SEQUENCE_ALL };
enum lb_when { LB_WHEN_ALWAYS = 0, LB_WHEN_UNMETERED, LB_WHEN_URGENT_ONLY };
enum lb_metered { LB_METERED_AUTO = 0, LB_METERED_YES, LB_METERED_NO };

enum lb_join { LB_JOIN_OFF = 0, LB_JOIN_INDENT, LB_JOIN_PYTHON };
enum lb_ansi { LB_ANSI_STRIP = 0, LB_ANSI_KEEP };
enum lb_input_start { LB_START_END = 0, LB_START_BEGIN };
enum lb_python_stdout { LB_PYTHON_UNBUFFERED = 0, LB_PYTHON_LINE, LB_PYTHON_KEEP };

/* The keys of [capture] that a service may set for itself. */
struct lb_capture_config {
    uint64_t max_line_bytes;
    uint64_t max_stall_ms; /* LB_OFF: no bound, as overload = wait */
    enum lb_overload overload;
    enum lb_level stdout_level;
    enum lb_level stderr_level;
    enum lb_join multiline;
    uint64_t join_timeout_ms; /* LB_OFF: a join waits for its end, or a bound */
    uint64_t join_bytes;
    uint64_t join_lines;
    enum lb_ansi ansi;
    uint64_t repeat_window_ms; /* 0: off, every error is queued whole */
    enum lb_python_stdout python_stdout;
};

/* One `kind NAME = text` of [throttle] or [redact], in the order of the files. */
struct lb_rule {
    char name[LB_RULE_NAME_MAX + 1];
    char *text;
    char *file; /* where it stands, for who finds out that the text is no pattern */
    int line;
};

struct lb_rule_list {
    struct lb_rule *rule;
    size_t count;
};

/* The keys of [throttle] that a service may set for itself. Rates are units a day, LB_OFF: no limit. */
struct lb_throttle_config {
    int min_level; /* what is less severe is held */
    uint64_t rate_per_day, burst;
    uint64_t bytes_per_day;
    uint64_t pattern_rate_per_day, pattern_burst;
    uint64_t sample; /* beyond pattern_rate one record of so many passes; 0: none */
    int floor;       /* of this level and worse nothing is sampled; -1: off */
    uint64_t floor_rate_per_day, floor_burst;
    uint64_t collapse_ms;  /* 0: off */
    uint64_t max_patterns; /* 0: patterns are not told apart */
    int trigger;           /* a record of this level or worse brings what was held along; -1: off */
    uint64_t context_ms, context_bytes; /* how much of it; 0: none */
    struct lb_quota quota;
    bool has_pressure;
    struct lb_rule_list drop, keep; /* a service's own, beside those of [throttle] */
};

/* The keys of [redact] that a service may set for itself. */
struct lb_redact_config {
    char *builtin; /* "all -email ipv4" */
    struct lb_rule_list rule, replace;
};

/* One [service NAME]: its own keys over those of [capture], [throttle] and [redact]. */
struct lb_service_config {
    char name[LB_NAME_MAX + 1];
    char *tags;   /* "k:v,k:v" expanded, without those of [agent]; "" when none */
    char *source; /* ddsource */
    struct lb_capture_config capture;
    struct lb_throttle_config throttle;
    struct lb_redact_config redact;
};

/* One [input NAME]. */
struct lb_input_config {
    char name[LB_NAME_MAX + 1];
    char *type; /* "file" or "journal" */
    char *path; /* a glob; "" for a journal */
    bool allow_flash;
    enum lb_input_start start;
    char *units;   /* globs parted by blanks; "" : all but our own */
    char *service; /* resolved for a file; "" for a journal: each entry's unit */
    char *tags;    /* expanded, "" when none */
};

struct lb_sink_config {
    char name[LB_NAME_MAX + 1];
    char *type; /* of common/sink_types.h */
    char *url;  /* "" when not set */
    char *site;
    char *api_key_file; /* "" when not set */
    enum lb_auth auth;
    char *auth_header, *headers;
    enum lb_compression compression; /* resolved by type, unless set */
    int level;
    enum lb_sequence sequence; /* resolved: batch for network sinks, all for file, unless set */
    uint64_t body_bytes;
    uint64_t body_lines;
    uint64_t wait_ms;
    uint64_t urgent_wait_ms; /* off is resolved: as wait_ms */
    uint64_t concurrency;
    uint64_t timeout_ms;
    uint64_t retry_min_ms;
    uint64_t retry_max_ms;
    uint64_t clock_wait_ms; /* 0: off */
    uint64_t max_age_ms;    /* LB_OFF: no limit */
    enum lb_expired expired;
    char *proxy;              /* "" when not set: the environment's; "off": none */
    char *tls_ca;             /* "" when not set: the system's */
    char *tls_cert, *tls_key; /* "" when not set */
    char *path;               /* file sink; "" when not set */
    uint64_t rotate_bytes;    /* LB_OFF: never */
    uint64_t keep;
    bool allow_flash;
    char *labels; /* loki: expanded, "k:v,k:v" or "" */
    char *tenant, *index, *source_type, *ok;
    char *address; /* syslog, mqtt; "" when not set */
    uint64_t facility;
    enum lb_mqtt_protocol protocol;
    char *topic, *status_topic; /* mqtt: expanded; status_topic "off": none */
    char *client_id, *user;     /* mqtt: expanded; user "": none */
    uint64_t keepalive_ms;
    enum lb_format format;
    /* Which records it gets, and when: common/sink_route.h */
    char *services; /* globs parted by commas; "": all */
    int min_level;  /* what is less severe is not for it */
    bool primary;
    enum lb_when when;
    /* What waits for it; sinks[0] has [ring] and [backlog] instead. */
    uint64_t queue_bytes;
    uint64_t queue_backlog_bytes; /* 0: what the queue has no room for is given up */
};

struct lb_config {
    char *file;    /* the main file this was read from */
    uint64_t hash; /* of all that is set in the files, as written */
    /* [agent] */
    char *hostname; /* expanded */
    char *tags;     /* expanded, "" when none */
    char *runtime_dir;
    uint64_t stop_timeout_ms;
    /* [log] */
    enum lb_level log_level;
    /* [capture] */
    struct lb_capture_config capture;
    uint64_t max_streams;
    uint64_t staging_bytes;
    uint64_t pipe_size_bytes; /* 0: leave pipes as they are (off) */
    bool has_syslog;
    /* [throttle], [redact] */
    struct lb_throttle_config throttle;
    struct lb_redact_config redact;
    /* [held] */
    uint64_t held_bytes; /* 0: what is throttled is dropped at once */
    /* [ring] */
    uint64_t ring_bytes;
    bool ring_lock;
    enum lb_level ring_urgent;
    /* [backlog] */
    uint64_t backlog_bytes; /* 0: what the ring has no room for is shed */
    uint64_t backlog_segment_bytes;
    int backlog_level;
    /* [network] */
    struct lb_quota quota;
    uint64_t link_bytes_per_day; /* LB_OFF: no limit */
    enum lb_metered network_metered;
    /* [spool] */
    bool has_spool;
    char *spool_path;
    uint64_t spool_max_bytes;
    uint64_t spool_free_floor_percent;
    uint64_t spool_wear_budget_bytes_per_day; /* 0: nothing is spooled; LB_AUTO: by [wear] */
    uint64_t spool_stop_budget_bytes;         /* what a stop of the system may write beyond it; 0: nothing */
    int spool_persist;                        /* records of this level and worse are copied; -1: off */
    uint64_t spool_persist_after_ms;
    uint64_t spool_persist_interval_ms; /* 0: no pause */
    bool spool_routine;
    /* [wear] */
    uint64_t wear_endurance_bytes; /* LB_AUTO: by the card's capacity */
    uint64_t wear_life_ms;
    char *wear_devices;      /* "auto", or names parted by blanks */
    uint64_t wear_sample_ms; /* 0: off */
    uint64_t wear_alert_bytes_per_day, wear_program_alert_bytes_per_day; /* LB_OFF: off */
    uint64_t wear_life_warn_ms;                                          /* 0: off */
    uint64_t wear_history_ms;
    /* [heartbeat] */
    uint64_t heartbeat_ms; /* 0: off */
    /* [metrics] */
    char *metrics_listen; /* "off", or what lb_listen_parse() takes */
    /* [remote] */
    bool has_remote;
    char *remote_command_topic, *remote_reply_topic; /* filled in where the sink is of type mqtt */
    char *remote_commands;                           /* names parted by blanks */
    uint64_t remote_max_for_ms;
    uint64_t remote_rate_per_day;
    /* [service NAME], [input NAME], [sink NAME] in the order of the files, but for sinks[0] */
    struct lb_service_config *services;
    size_t service_count;
    struct lb_input_config inputs[LB_INPUTS_MAX];
    size_t input_count;
    /* For a service with no section: name "", [capture], [throttle], [redact], tags "", source python. */
    struct lb_service_config default_service;
    /* sinks[0] is the one that [ring], [backlog] and [spool] serve: the first that is primary and takes all.
     */
    struct lb_sink_config sinks[LB_SINKS_MAX];
    size_t sink_count; /* at least 1 */
};

/* Everything found wrong in one load, each "FILE:LINE: text" (or "FILE: text" where no line is to blame). */
struct lb_config_faults {
    char *text[LB_CONFIG_FAULTS_MAX];
    size_t count;
    size_t more; /* faults past the table's room, only counted */
    char *warnings[LB_CONFIG_FAULTS_MAX];
    size_t warning_count;
};

/* What lb_config_load() checks beyond the INI files (%words and @FILEs it expands always). */
enum lb_config_mode {
    LB_CONFIG_RUN = 0,  /* a datadog sink without a usable key (lb_config_read_secret()) is a fault */
    LB_CONFIG_CHECK = 1 /* as `-t`: needs no readable key file; the same otherwise */
};

/*
 * Read FILE and then conf.d/\*.ini beside it in byte order of their names,
 * check everything, and give a snapshot. All faults are collected, not only
 * the first. A missing FILE is a fault; a missing conf.d is not.
 *   path       the main file; NULL: /etc/logboom/logboom.ini
 *   ret_config set on success; free with lb_config_free()
 *   faults     emptied first; owned by the caller, free with lb_config_faults_free()
 *   returns    0 | -EINVAL faults->count > 0 | -ENOMEM
 *   calls      may block on the disk: start-up, card side, offline modes
 */
int lb_config_load(const char *path, enum lb_config_mode mode, struct lb_config **ret_config,
                   struct lb_config_faults *faults);

/*
 * Free a snapshot, or do nothing with NULL.
 *   calls    whoever holds the last reference
 */
void lb_config_free(struct lb_config *config);

/*
 * Free the texts of a fault list and empty it.
 *   calls    the list's owner
 */
void lb_config_faults_free(struct lb_config_faults *faults);

/*
 * The settings of one service: its own section, or the defaults.
 *   name     len bytes
 *   returns  never NULL; lives as long as config
 *   calls    any thread
 */
const struct lb_service_config *lb_config_service(const struct lb_config *config, const char *name,
                                                  size_t len);

/*
 * The sink of this name, wherever it stands in a snapshot.
 *   returns  one of config->sinks | NULL: there is none
 *   calls    any thread
 */
const struct lb_sink_config *lb_config_sink_by_name(const struct lb_config *config, const char *name);

/*
 * Does some sink put each record's pattern on it?
 *   calls    any thread; per line
 */
static inline bool lb_config_wants_patterns(const struct lb_config *config)
{
    for (size_t i = 0; i < config->sink_count; i++)
        if (config->sinks[i].sequence == LB_SEQUENCE_ALL)
            return true;
    return false;
}

/*
 * Make the sink of this name the first, whatever the order of the file: the
 * ring, and what waits in it, is that one's.
 *   returns  true: it is | false: there is none of that name, or it does not take all; nothing changed
 *   calls    who made the snapshot, before anybody else has it
 */
bool lb_config_keep_first(struct lb_config *config, const char *name);

/*
 * Put one of ours (LB_SINK_NONE) before all others, which takes all and keeps
 * nothing.
 *   returns  0 | -ENOSPC there are as many as may be | -ENOMEM
 *   calls    who made the snapshot, before anybody else has it
 */
int lb_config_put_none_first(struct lb_config *config);

/*
 * Compare two snapshots for a reload: which keys changed that only the next
 * start can bring into effect (sizes, runtime_dir, lock: design.md 4)?
 *   names    filled with pointers to static texts, at most names_max: "section.key", and what of the sinks
 *            as a whole: how many, their names, which is the first
 *   returns  how many
 *   calls    any thread
 */
size_t lb_config_restart_keys(const struct lb_config *old_config, const struct lb_config *new_config,
                              const char **names, size_t names_max);

/*
 * The sink by whose broker commands come: the first of type mqtt.
 *   returns  it lives as long as config | NULL there is none
 *   calls    any thread
 */
const struct lb_sink_config *lb_config_remote_sink(const struct lb_config *config);

/* One line of the memory ceiling. */
struct lb_memory_part {
    const char *name; /* static */
    uint64_t bytes;
};
#define LB_MEMORY_PARTS 16
/* What the file of a further sink's own state takes, up to whole pages: no less than the agent's state file.
 */
#define LB_SINK_STATE_BYTES (576ull * 1024)

/*
 * The most memory that the agent takes for lines and for shipping them, known
 * at start (design.md 5.4): what it allocates itself is a bound, what zstd
 * takes is zstd's own estimate, and a connection an allowance. Program text and thread stacks are beside it.
 *   parts    filled, in the order of a line's way; a part may be 0
 *   returns  their sum in bytes
 *   calls    any thread
 */
uint64_t lb_config_memory_ceiling(const struct lb_config *config,
                                  struct lb_memory_part parts[LB_MEMORY_PARTS]);

/*
 * What a sink beside the first adds to the ceiling: queue, state and backlog
 * of its own, and what it takes to ship. The part "further sinks" is their sum.
 *   i        of config->sinks, 1 to sink_count - 1
 *   returns  bytes
 *   calls    any thread
 */
uint64_t lb_config_sink_memory(const struct lb_config *config, size_t i);

/*
 * Print the sample file (conf/logboom.ini) from the key table.
 *   errors   those of stdio, seen by ferror(out)
 *   calls    main thread of an offline mode
 */
void lb_config_print_sample(FILE *out);

/*
 * Print the manual page logboom.ini(5) (packaging/man/logboom.ini.5) in mdoc(7), the keys from the key table.
 *   errors   those of stdio, seen by ferror(out)
 *   calls    main thread of an offline mode
 */
void lb_config_print_manual(FILE *out);

/* Where lb_config_read_secret() found what any sink may show. */
#define LB_CONFIG_COMMON_KEY "$CREDENTIALS_DIRECTORY/api_key"

/*
 * Read a sink's secret: api_key_file, else (also where we may not read that)
 * $CREDENTIALS_DIRECTORY/NAME.api_key by the sink's name and then api_key there,
 * unless they are blank, else, for datadog, $DD_API_KEY. Blanks at both ends are cut.
 *   buf       room for size bytes with NUL; wiped by the caller after use
 *   ret_where static or config-owned text that says where it came from, or on an error other than
 *             -ENOENT where it failed (never the secret)
 *   returns   0 | -ENOENT none of them is there | -E2BIG longer than size
 *             | -EINVAL empty or with control characters inside | negative errno of open/read
 *   calls     may block on the disk: start-up, card side, offline modes
 */
int lb_config_read_secret(const struct lb_sink_config *sink, char *buf, size_t size, const char **ret_where);

#endif
