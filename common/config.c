/* SPDX-License-Identifier: MIT */
/*
 * Files into a snapshot. In: the main file and conf.d/ beside it. Out: one
 * struct lb_config, or a list of all that is wrong. Always true: a snapshot
 * that is given out has passed every check, and nothing changes it any more.
 *
 * A later file overrides an earlier one, key by key; within one file a second
 * value is a fault. Each file's faults of syntax are told before those of its
 * words, because the second may follow from the first.
 */
#include "common/config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "common/config_load.h"
#include "common/keys.h"
#include "common/proto.h"

#define DEFAULT_FILE "/etc/logboom/logboom.ini"
#define WHY_MAX      512

/* The section that a line stands in. */
struct target {
    enum lb_key_section section;
    struct lb_section_seen *seen;
    struct lb_service_config *service;
    struct lb_input_config *input;
    struct lb_sink_config *sink;
};

void *lb_config_field(const struct lb_key *key, struct lb_config *config, struct lb_service_config *service,
                      struct lb_input_config *input, struct lb_sink_config *sink)
{
    char *base;

    if (key->is_per_service && key->section == LB_SECTION_CAPTURE)
        base = service ? (char *)&service->capture : (char *)&config->capture;
    else if (key->is_per_service && key->section == LB_SECTION_THROTTLE)
        base = service ? (char *)&service->throttle : (char *)&config->throttle;
    else if (key->is_per_service)
        base = service ? (char *)&service->redact : (char *)&config->redact;
    else if (key->section == LB_SECTION_SERVICE)
        base = (char *)service;
    else if (key->section == LB_SECTION_INPUT)
        base = (char *)input;
    else if (key->section == LB_SECTION_SINK)
        base = (char *)sink;
    else
        base = (char *)config;
    return base ? base + key->offset : NULL;
}

static size_t key_index(const struct lb_key *key)
{
    size_t count;

    return (size_t)(key - lb_keys(&count));
}

bool lb_config_is_set(const struct lb_section_seen *seen, enum lb_key_section section, const char *name)
{
    return seen->set[key_index(lb_key_find(section, name))].line > 0;
}

struct lb_origin lb_config_origin(const struct lb_loader *loader, const struct lb_section_seen *seen,
                                  enum lb_key_section section, const char *name)
{
    const struct lb_origin *at = &seen->set[key_index(lb_key_find(section, name))];

    if (at->line > 0)
        return *at;
    return seen->first.line > 0 ? seen->first : (struct lb_origin) { loader->config->file, 0 };
}

/* Fill the fields of one section with their defaults. */
static int set_defaults(struct lb_config *config, enum lb_key_section section,
                        struct lb_service_config *service, struct lb_input_config *input,
                        struct lb_sink_config *sink)
{
    size_t count;
    const struct lb_key *keys = lb_keys(&count);
    char why[WHY_MAX];

    for (size_t i = 0; i < count; i++) {
        void *field = lb_config_field(&keys[i], config, service, input, sink);
        char *text;

        if (!lb_key_is_in(&keys[i], section) || keys[i].type == LB_KEY_RULES)
            continue;
        if (!lb_key_is_text(&keys[i])) {
            lb_key_store(&keys[i], keys[i].dflt, field, why, sizeof why);
            continue;
        }
        text = strdup(keys[i].dflt); /* not by lb_key_store(): a key that must be set has "" for a default */
        if (!text)
            return -ENOMEM;
        memcpy(field, &text, sizeof text);
    }
    return 0;
}

static void free_texts(struct lb_config *config, enum lb_key_section section,
                       struct lb_service_config *service, struct lb_input_config *input,
                       struct lb_sink_config *sink)
{
    size_t count;
    const struct lb_key *keys = lb_keys(&count);

    for (size_t i = 0; i < count; i++) {
        void *field = lb_config_field(&keys[i], config, service, input, sink);
        char *text;

        if (!lb_key_is_in(&keys[i], section))
            continue;
        if (keys[i].type == LB_KEY_RULES)
            lb_config_free_rules(field);
        if (!lb_key_is_text(&keys[i]))
            continue;
        memcpy(&text, field, sizeof text);
        free(text);
    }
}

void lb_config_free(struct lb_config *config)
{
    if (!config)
        return;
    for (int section = 0; section < LB_SECTION_SERVICE; section++)
        free_texts(config, section, NULL, NULL, NULL);
    for (size_t i = 0; i < config->service_count; i++)
        free_texts(config, LB_SECTION_SERVICE, &config->services[i], NULL, NULL);
    free_texts(config, LB_SECTION_SERVICE, &config->default_service, NULL, NULL);
    for (size_t i = 0; i < config->input_count; i++)
        free_texts(config, LB_SECTION_INPUT, NULL, &config->inputs[i], NULL);
    for (size_t i = 0; i < config->sink_count; i++)
        free_texts(config, LB_SECTION_SINK, NULL, NULL, &config->sinks[i]);
    free(config->services);
    free(config->file);
    free(config);
}

/* Find or add [service NAME]. 0, or -ENOMEM, or -ENOSPC when there are too many. */
static int find_service(struct lb_loader *loader, const char *name, struct target *target)
{
    struct lb_config *config = loader->config;
    size_t i = 0;

    while (i < config->service_count && strcmp(config->services[i].name, name) != 0)
        i++;
    if (i == LB_SERVICES_MAX)
        return -ENOSPC;
    if (i == config->service_count) {
        struct lb_service_config *service = &config->services[i];

        config->service_count++;
        snprintf(service->name, sizeof service->name, "%s", name);
        if (set_defaults(config, LB_SECTION_SERVICE, service, NULL, NULL) != 0)
            return -ENOMEM;
    }
    target->service = &config->services[i];
    target->seen = &loader->services[i];
    return 0;
}

/* Find or add [input NAME]. 0, or -ENOMEM, or -ENOSPC when there are too many. */
static int find_input(struct lb_loader *loader, const char *name, struct target *target)
{
    struct lb_config *config = loader->config;
    size_t i = 0;

    while (i < config->input_count && strcmp(config->inputs[i].name, name) != 0)
        i++;
    if (i == LB_INPUTS_MAX)
        return -ENOSPC;
    if (i == config->input_count) {
        struct lb_input_config *input = &config->inputs[i];

        config->input_count++;
        snprintf(input->name, sizeof input->name, "%s", name);
        if (set_defaults(config, LB_SECTION_INPUT, NULL, input, NULL) != 0)
            return -ENOMEM;
    }
    target->input = &config->inputs[i];
    target->seen = &loader->inputs[i];
    return 0;
}

int lb_config_set_sink_defaults(struct lb_config *config, struct lb_sink_config *sink)
{
    return set_defaults(config, LB_SECTION_SINK, NULL, NULL, sink) != 0 ? -ENOMEM : 0;
}

/* Find or add [sink NAME]. 0, or -ENOMEM, or -ENOSPC when there are too many. */
static int find_sink(struct lb_loader *loader, const char *name, struct target *target)
{
    struct lb_config *config = loader->config;
    size_t i = 0;

    while (i < config->sink_count && strcmp(config->sinks[i].name, name) != 0)
        i++;
    if (i == LB_SINKS_MAX)
        return -ENOSPC;
    if (i == config->sink_count) {
        struct lb_sink_config *sink = &config->sinks[i];

        config->sink_count++;
        snprintf(sink->name, sizeof sink->name, "%s", name);
        if (lb_config_set_sink_defaults(config, sink) != 0)
            return -ENOMEM;
    }
    target->sink = &config->sinks[i];
    target->seen = &loader->sinks[i];
    return 0;
}

static int section_of_kind(const char *kind, size_t len)
{
    for (int i = 0; i < LB_SECTION_COUNT; i++)
        if (strlen(lb_key_section_info(i)->name) == len &&
            memcmp(lb_key_section_info(i)->name, kind, len) == 0)
            return i;
    return -1;
}

/* What waits for a sink lies in a directory of its name. */
static bool is_directory_name(const char *name)
{
    return !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* The section that "kind name" is, with *ret_name set; or -1 with why. */
static int read_section(const char *text, const char **ret_name, char *why, size_t size)
{
    size_t kind_len = strcspn(text, " \t");
    const char *name = text + kind_len + strspn(text + kind_len, " \t");
    int section = section_of_kind(text, kind_len);
    bool takes_name = section >= 0 && lb_key_section_info(section)->sample_name != NULL;
    char kind[64];

    snprintf(kind, sizeof kind, "%.*s", (int)(kind_len < sizeof kind ? kind_len : sizeof kind - 1), text);
    *ret_name = name;
    if (section < 0)
        lb_key_explain_unknown_section(kind, why, size);
    else if (takes_name && *name == '\0')
        snprintf(why, size, "[%s] needs a name: [%s NAME]", kind, kind);
    else if (!takes_name && *name != '\0')
        snprintf(why, size, "[%s] takes no name", kind);
    else if (takes_name && !lb_service_name_is_legal(name, strlen(name)))
        snprintf(why, size, "the name after [%s must be 1 to 128 of A-Z a-z 0-9 . _ / @ : -", kind);
    else if (section == LB_SECTION_SINK && !is_directory_name(name))
        snprintf(why, size, "the name after [%s must be one that a directory can have, without /", kind);
    else
        return section;
    return -1;
}

/*
 * Find, or add, what a section's line stands for. 0 | -EINVAL with why | -ENOMEM.
 * Asked again for each key of the section; the caller tells why only once.
 */
static int find_section(struct lb_loader *loader, const char *text, struct target *target, char *why,
                        size_t size)
{
    const char *name;
    int section = read_section(text, &name, why, size);
    int rc = 0;

    if (section < 0)
        return -EINVAL;
    *target = (struct target) { .section = section, .seen = &loader->fixed[section] };
    if (section == LB_SECTION_SERVICE)
        rc = find_service(loader, name, target);
    else if (section == LB_SECTION_INPUT)
        rc = find_input(loader, name, target);
    else if (section == LB_SECTION_SINK)
        rc = find_sink(loader, name, target);
    if (rc != -ENOSPC)
        return rc;
    snprintf(why, size, "more than %d [%s] sections",
             section == LB_SECTION_INPUT  ? LB_INPUTS_MAX
             : section == LB_SECTION_SINK ? LB_SINKS_MAX
                                          : LB_SERVICES_MAX,
             lb_key_section_info(section)->name);
    return -EINVAL;
}

static int apply_key(struct lb_loader *loader, const struct target *target, const struct lb_setting *setting,
                     const struct lb_origin *at)
{
    const struct lb_key *key = lb_key_find(target->section, setting->key);
    struct lb_origin *before;
    char why[WHY_MAX];
    int rc;

    if (!key) {
        lb_key_explain_unknown(target->section, setting->key, why, sizeof why);
        lb_config_fault(loader->faults, at, "%s", why);
        return 0;
    }
    if (key->type == LB_KEY_RULES)
        return lb_config_apply_rule(
            loader, key, lb_config_field(key, loader->config, target->service, target->input, target->sink),
            setting, at);
    before = &target->seen->set[key_index(key)];
    if (before->file == at->file && before->line > 0) {
        lb_config_fault(loader->faults, at, "a second value for %s: the first is in line %d", key->name,
                        before->line);
        return 0;
    }
    *before = *at;
    rc = lb_key_store(key, setting->value,
                      lb_config_field(key, loader->config, target->service, target->input, target->sink), why,
                      sizeof why);
    if (rc != -EINVAL)
        return rc;
    loader->refused_count++;
    lb_config_fault(loader->faults, at, "%s", why);
    return 0;
}

/* What is set, in its order: comments, blanks and the files' names change nothing. */
static void note_hash(struct lb_config *config, const struct lb_setting *setting)
{
    const char *parts[] = { setting->section, setting->key, setting->value };

    for (size_t i = 0; setting->key && i < sizeof parts / sizeof parts[0]; i++)
        config->hash = XXH3_64bits_withSeed(parts[i], strlen(parts[i]) + 1, config->hash);
}

static int apply_setting(struct lb_loader *loader, const struct lb_config_file *file,
                         const struct lb_setting *setting)
{
    struct lb_origin at = { file->path, setting->line };
    struct target target;
    char why[WHY_MAX];
    int rc;

    if (setting->section[0] == '\0') {
        lb_config_fault(loader->faults, &at, "a key before any [section]");
        return 0;
    }
    rc = find_section(loader, setting->section, &target, why, sizeof why);
    if (rc == -EINVAL && !setting->key)
        lb_config_fault(loader->faults, &at, "%s", why);
    if (rc != 0)
        return rc == -EINVAL ? 0 : rc;
    if (target.seen->first.line == 0)
        target.seen->first = at;
    note_hash(loader->config, setting);
    return setting->key ? apply_key(loader, &target, setting, &at) : 0;
}

static int load_file(struct lb_loader *loader, const char *path)
{
    struct lb_config_file file;
    int rc = lb_config_file_read(path, &file, loader->faults);

    loader->is_broken |= file.is_broken;
    for (size_t i = 0; rc == 0 && i < file.count; i++)
        rc = apply_setting(loader, &file, &file.settings[i]);
    lb_config_file_free(&file);
    return rc;
}

static int is_ini(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return entry->d_name[0] != '.' && len > 4 && strcmp(entry->d_name + len - 4, ".ini") == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Add conf.d/\*.ini beside the main file to the loader's paths. */
static int find_more_files(struct lb_loader *loader)
{
    const char *file = loader->config->file;
    const char *slash = strrchr(file, '/');
    struct lb_origin at = { NULL, 0 };
    struct dirent **entries = NULL;
    char *dir;
    int count, rc = 0;

    if (asprintf(&dir, "%.*sconf.d", slash ? (int)(slash - file + 1) : 0, file) < 0)
        return -ENOMEM;
    at.file = dir;
    count = scandir(dir, &entries, is_ini, by_bytes);
    if (count < 0 && errno != ENOENT)
        lb_config_fault(loader->faults, &at, "cannot read: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
        if (loader->path_count == LB_CONFIG_FILES_MAX)
            lb_config_fault(loader->faults, &at, "more than %d files", LB_CONFIG_FILES_MAX - 1);
        else if (rc == 0 &&
                 asprintf(&loader->paths[loader->path_count], "%s/%s", dir, entries[i]->d_name) < 0)
            rc = -ENOMEM;
        else if (rc == 0)
            loader->path_count++;
        free(entries[i]);
    }
    free(entries);
    free(dir);
    return rc;
}

static int load(struct lb_loader *loader, const char *path)
{
    struct lb_config *config = loader->config;
    int rc = 0;

    config->file = strdup(path);
    config->services = calloc(LB_SERVICES_MAX, sizeof *config->services);
    loader->services = calloc(LB_SERVICES_MAX, sizeof *loader->services);
    loader->inputs = calloc(LB_INPUTS_MAX, sizeof *loader->inputs);
    loader->sinks = calloc(LB_SINKS_MAX, sizeof *loader->sinks);
    loader->paths[0] = strdup(path);
    if (!config->file || !config->services || !loader->services || !loader->inputs || !loader->sinks ||
        !loader->paths[0])
        return -ENOMEM;
    loader->path_count = 1;
    for (int section = 0; rc == 0 && section < LB_SECTION_SERVICE; section++)
        rc = set_defaults(config, section, NULL, NULL, NULL);
    if (rc == 0)
        rc = set_defaults(config, LB_SECTION_SERVICE, &config->default_service, NULL, NULL);
    if (rc == 0)
        rc = find_more_files(loader);
    for (size_t i = 0; rc == 0 && i < loader->path_count; i++)
        rc = load_file(loader, loader->paths[i]);
    return rc == 0 ? lb_config_complete(loader) : rc;
}

int lb_config_load(const char *path, enum lb_config_mode mode, struct lb_config **ret_config,
                   struct lb_config_faults *faults)
{
    struct lb_loader *loader = calloc(1, sizeof *loader);
    struct lb_config *config = calloc(1, sizeof *config);
    int rc = -ENOMEM;

    *faults = (struct lb_config_faults) { 0 };
    if (loader && config) {
        loader->config = config;
        loader->faults = faults;
        loader->mode = mode;
        rc = load(loader, path ? path : DEFAULT_FILE);
    }
    if (rc == 0 && faults->count + faults->more > 0)
        rc = -EINVAL;
    for (size_t i = 0; loader && i < LB_CONFIG_FILES_MAX; i++)
        free(loader->paths[i]);
    if (loader) {
        free(loader->services);
        free(loader->inputs);
        free(loader->sinks);
    }
    free(loader);
    if (rc == 0)
        *ret_config = config;
    else
        lb_config_free(config);
    return rc;
}

const struct lb_service_config *lb_config_service(const struct lb_config *config, const char *name,
                                                  size_t len)
{
    for (size_t i = 0; i < config->service_count; i++)
        if (strlen(config->services[i].name) == len && memcmp(config->services[i].name, name, len) == 0)
            return &config->services[i];
    return &config->default_service;
}

const struct lb_sink_config *lb_config_sink_by_name(const struct lb_config *config, const char *name)
{
    for (size_t i = 0; i < config->sink_count; i++)
        if (strcmp(config->sinks[i].name, name) == 0)
            return &config->sinks[i];
    return NULL;
}
