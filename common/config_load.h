/* SPDX-License-Identifier: MIT */
#ifndef LB_COMMON_CONFIG_LOAD_H
#define LB_COMMON_CONFIG_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "common/config.h"
#include "common/keys.h"

/*
 * The parts of lb_config_load(), which nobody else includes: files become
 * settings (config_file.c), settings become a snapshot (config.c, config_rules.c), and the
 * snapshot is completed and checked as a whole (config_check.c, config_inputs.c, config_sinks.c,
 * config_route.c).
 */
#define LB_CONFIG_FILE_MAX  (1u << 20) /* bytes of one INI file */
#define LB_CONFIG_FILES_MAX 128        /* the main file and conf.d */
#define LB_CONFIG_KEYS_MAX  192        /* rows of the key table, at most */

/* Where something was set. line 0: nowhere. */
struct lb_origin {
    const char *file;
    int line;
};

/* One line of one file. key NULL: the section's own line. */
struct lb_setting {
    char *section;
    char *key;
    char *value;
    int line;
};

struct lb_config_file {
    const char *path;
    struct lb_setting *settings;
    size_t count;
    bool is_broken; /* it has faults of syntax: what is missing from it cannot be told */
};

/* A section as met in the files: where, and which of its keys were set where. */
struct lb_section_seen {
    struct lb_origin first;
    struct lb_origin set[LB_CONFIG_KEYS_MAX]; /* by place in the key table */
};

struct lb_loader {
    struct lb_config *config;
    struct lb_config_faults *faults;
    enum lb_config_mode mode;
    char *paths[LB_CONFIG_FILES_MAX];
    size_t path_count;
    bool is_broken;       /* some file has faults of syntax */
    size_t refused_count; /* values that were refused: their keys hold something else */
    struct lb_section_seen fixed[LB_SECTION_COUNT]; /* those without a name */
    struct lb_section_seen *services;               /* one for each of config->services */
    struct lb_section_seen *inputs;                 /* one for each of config->inputs */
    struct lb_section_seen *sinks;                  /* one for each of config->sinks */
    const struct lb_sink_config
        *common_key_sink; /* the sink that shows LB_CONFIG_COMMON_KEY; NULL: none so far */
};

/* One [sink NAME] at hand, with where its keys were set. */
struct lb_sink_section {
    struct lb_loader *loader;
    struct lb_sink_config *config;
    const struct lb_section_seen *seen;
};

/*
 * Add a fault or a warning to the list: "FILE:LINE: text", without the line
 * where it is 0. Bytes that a terminal would act on become '?'.
 *   calls    the thread that loads
 */
void lb_config_fault(struct lb_config_faults *faults, const struct lb_origin *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a warning; the text begins "warning: ". */
void lb_config_warn(struct lb_config_faults *faults, const struct lb_origin *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Read one file into settings. Faults of reading and of syntax go to faults.
 *   path     kept by pointer
 *   file     filled; free with lb_config_file_free() whatever is returned
 *   returns  0 | -ENOMEM
 *   calls    may block on the disk
 */
int lb_config_file_read(const char *path, struct lb_config_file *file, struct lb_config_faults *faults);

/*
 * Free what lb_config_file_read() gave.
 *   calls    its caller
 */
void lb_config_file_free(struct lb_config_file *file);

/*
 * Where does a row's field live in this snapshot?
 *   service, input, sink  those of the section at hand; NULL where the section is another
 *   calls                 any thread
 */
void *lb_config_field(const struct lb_key *key, struct lb_config *config, struct lb_service_config *service,
                      struct lb_input_config *input, struct lb_sink_config *sink);

/*
 * Set the rule "kind NAME = text" in its list; each NAME is a key of its own.
 *   key      the row of the kind
 *   list     takes copies
 *   returns  0 | -ENOMEM; what is wrong goes to the loader's faults
 *   calls    the thread that loads
 */
int lb_config_apply_rule(struct lb_loader *loader, const struct lb_key *key, struct lb_rule_list *list,
                         const struct lb_setting *setting, const struct lb_origin *at);

/*
 * Free what lb_config_apply_rule() put in a list, and the list.
 *   calls    the owner of the snapshot
 */
void lb_config_free_rules(struct lb_rule_list *list);

/*
 * Where was this key set, or, if it was not, what may stand for it: the main
 * file without a line.
 *   calls    the thread that loads
 */
struct lb_origin lb_config_origin(const struct lb_loader *loader, const struct lb_section_seen *seen,
                                  enum lb_key_section section, const char *name);

/*
 * Was this key set in any file?
 *   calls    the thread that loads
 */
bool lb_config_is_set(const struct lb_section_seen *seen, enum lb_key_section section, const char *name);

/*
 * Complete the snapshot when all files are in: what a key takes from another,
 * %words, and the checks that need more than one key.
 *   returns  0 | -ENOMEM; what is wrong goes to the loader's faults
 *   calls    may block on the disk (@FILE, key file)
 */
int lb_config_complete(struct lb_loader *loader);

/*
 * Replace a template by what it stands for.
 *   text     a field of the snapshot; what it was is freed
 *   returns  0 | -EINVAL it went to the loader's faults | -ENOMEM
 *   calls    the thread that loads; may block on the disk
 */
int lb_config_expand(struct lb_loader *loader, char **text, const char *key, const struct lb_origin *at);

/*
 * Where was this key of a sink set? As lb_config_origin().
 *   calls    the thread that loads
 */
struct lb_origin lb_sink_section_origin(const struct lb_sink_section *section, const char *key);

/*
 * Fill all keys of a sink with their defaults.
 *   sink     of config; its texts are NULL
 *   returns  0 | -ENOMEM
 *   calls    the thread that loads
 */
int lb_config_set_sink_defaults(struct lb_config *config, struct lb_sink_config *sink);

/*
 * Put the sink that takes all first, with what was seen of it. Before anything
 * else looks at sinks: what is to be said of the first is said of that one.
 * Where primaries share the records, one of ours is put before them
 * (LB_SINK_NONE): it takes all, and keeps nothing.
 *   returns  0 | -ENOMEM
 *   calls    the thread that loads, when all files are in
 */
int lb_config_order_sinks(struct lb_loader *loader);

/*
 * Complete all [sink NAME]: their texts are expanded, and what follows from
 * the type is filled in.
 *   returns  0 | -ENOMEM; what is wrong goes to the loader's faults
 *   calls    the thread that loads; may block on the disk
 */
int lb_config_complete_sinks(struct lb_loader *loader);

/*
 * Check each [sink NAME], and all of them beside each other. What is wrong
 * goes to the loader's faults.
 *   calls    the thread that loads; may block on the disk (key file)
 */
void lb_config_check_sinks(struct lb_loader *loader);

/*
 * Check what a [sink NAME] says of its records and its queue, and that it is
 * not another one's double. What is wrong goes to the loader's faults.
 *   calls    the thread that loads; the sink's type is one that there is
 */
void lb_config_check_route(const struct lb_sink_section *section);

/*
 * Check that there is a sink that takes all. If there is none, that goes to
 * the loader's faults.
 *   calls    the thread that loads; there is a sink
 */
void lb_config_check_first_sink(struct lb_loader *loader);

/*
 * Replace a template of the form k:v,k:v by what it stands for, and check it.
 *   pairs    a field of the snapshot; what it was is freed
 *   returns  0 | -ENOMEM; what is wrong goes to the loader's faults
 *   calls    the thread that loads; may block on the disk
 */
int lb_config_expand_pairs(struct lb_loader *loader, char **pairs, const char *key,
                           const struct lb_origin *at);

/*
 * Fill in the topics of a sink of type mqtt, and its client_id, when the
 * hostname is known.
 *   returns  0 | -ENOMEM; what is wrong goes to the loader's faults
 *   calls    the thread that loads; may block on the disk
 */
int lb_config_expand_topics(const struct lb_sink_section *section);

/*
 * Check the address and the client_id of a sink of type mqtt; what is wrong
 * goes to the loader's faults.
 *   calls    the thread that loads
 */
void lb_config_check_mqtt(const struct lb_sink_section *section);

/*
 * Replace a topic's template by what it stands for.
 *   text     a field of the snapshot; what it was is freed
 *   at       of the key, for what is wrong
 *   returns  0 | -ENOMEM; what is wrong goes to the loader's faults
 *   calls    the thread that loads; may block on the disk
 */
int lb_config_fill_topic(struct lb_loader *loader, char **text, const char *key, const struct lb_origin *at);

/*
 * Fill in the topics of [remote], when the hostname is known.
 *   returns  0 | -ENOMEM; what is wrong goes to the loader's faults
 *   calls    the thread that loads; may block on the disk
 */
int lb_config_expand_remote(struct lb_loader *loader);

/*
 * Check [remote]: a sink that commands can come by, topics that are not one
 * another's, names of commands. What is wrong goes to the loader's faults.
 *   calls    the thread that loads
 */
void lb_config_check_remote(struct lb_loader *loader);

/*
 * Complete all [input NAME], and check which keys go with which type. Their
 * texts are expanded already.
 *   returns  0 | -ENOMEM; what is wrong goes to the loader's faults
 *   calls    the thread that loads
 */
int lb_config_complete_inputs(struct lb_loader *loader);

/*
 * Check those texts of a [sink NAME] that have a form of their own: headers, ok,
 * index, address. What is wrong goes to the loader's faults.
 *   calls    the thread that loads; the sink's type is one that there is
 */
void lb_config_check_sink_texts(const struct lb_sink_section *section);

/* What the manual page says before and behind its keys, in mdoc(7). */
extern const char lb_config_manual_head[];
extern const char lb_config_manual_tail[];

#endif
