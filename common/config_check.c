/* SPDX-License-Identifier: MIT */
/*
 * The snapshot as a whole. In: all keys of all files. Out: the same, completed
 * (what one key takes from another, %words expanded), and faults where keys do
 * not go together. Always true: each fault names a line of the keys that
 * disagree, or the section that lacks something.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_load.h"
#include "common/expand.h"
#include "common/listen.h"
#include "common/proto.h"
#include "common/units.h"

/*
 * A line may lie in staging as its first part, as its growing end, and once
 * more while its record is written; the fourth keeps other streams moving.
 */
#define STAGING_LINES_MIN 4
/* One record in flight, one that waits, one that is being written. */
#define RING_LINES_MIN  3
#define RECORD_HEAD_MAX 6144 /* with what was understood of its text */

static uint64_t longer(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The longest text of one record: a line, or several that are joined. */
static uint64_t longest_line_bytes(const struct lb_config *config)
{
    uint64_t longest = longer(config->capture.max_line_bytes, config->capture.join_bytes);

    for (size_t i = 0; i < config->service_count; i++)
        longest = longer(longest, longer(config->services[i].capture.max_line_bytes,
                                         config->services[i].capture.join_bytes));
    return longest;
}

static int inherit_key(struct lb_config *config, const struct lb_key *key, struct lb_service_config *service)
{
    void *to = lb_config_field(key, config, service, NULL, NULL);
    const void *from = lb_config_field(key, config, NULL, NULL, NULL);
    char *text, *old;

    if (!lb_key_is_text(key)) {
        memcpy(to, from, key->size);
        return 0;
    }
    memcpy(&text, from, sizeof text);
    text = strdup(text);
    if (!text)
        return -ENOMEM;
    memcpy(&old, to, sizeof old);
    memcpy(to, &text, sizeof text);
    free(old);
    return 0;
}

/* A service has its section's value of every key that it does not set itself. Rules are looked up in both. */
static int inherit(struct lb_loader *loader)
{
    struct lb_config *config = loader->config;
    int rc = 0;
    size_t count;
    const struct lb_key *keys = lb_keys(&count);

    for (size_t i = 0; i < count; i++) {
        if (!keys[i].is_per_service || keys[i].type == LB_KEY_RULES)
            continue;
        for (size_t s = 0; rc == 0 && s < config->service_count; s++)
            if (loader->services[s].set[i].line == 0)
                rc = inherit_key(config, &keys[i], &config->services[s]);
        if (rc == 0)
            rc = inherit_key(config, &keys[i], &config->default_service);
    }
    return rc;
}

int lb_config_expand(struct lb_loader *loader, char **text, const char *key, const struct lb_origin *at)
{
    char buf[LB_VALUE_MAX + 1], why[512];
    char *copy;

    if (lb_expand(*text, NULL, buf, sizeof buf, why, sizeof why) != 0) {
        lb_config_fault(loader->faults, at, "%s: %s", key, why);
        return -EINVAL;
    }
    copy = strdup(buf);
    if (!copy)
        return -ENOMEM;
    free(*text);
    *text = copy;
    return 0;
}

int lb_config_expand_pairs(struct lb_loader *loader, char **pairs, const char *key,
                           const struct lb_origin *at)
{
    int rc = lb_config_expand(loader, pairs, key, at);

    if (rc == 0 && !lb_tags_are_legal(*pairs, strlen(*pairs)))
        lb_config_fault(loader->faults, at,
                        "%s must be k:v,k:v without blanks, quotes and backslashes, at most %d bytes", key,
                        LB_PROTO_TAGS_MAX);
    return rc == -ENOMEM ? rc : 0;
}

static int expand_tags(struct lb_loader *loader, char **tags, const struct lb_section_seen *seen,
                       enum lb_key_section section)
{
    struct lb_origin at = lb_config_origin(loader, seen, section, "tags");

    return lb_config_expand_pairs(loader, tags, "tags", &at);
}

static int expand_hostname(struct lb_loader *loader)
{
    static const char image_name[] = "raspberrypi";
    char **name = &loader->config->hostname;
    struct lb_origin at =
        lb_config_origin(loader, &loader->fixed[LB_SECTION_AGENT], LB_SECTION_AGENT, "hostname");
    int rc = lb_config_expand(loader, name, "hostname", &at);

    if (rc != 0)
        return rc == -ENOMEM ? rc : 0;
    if (strlen(*name) > lb_key_find(LB_SECTION_AGENT, "hostname")->max ||
        (*name)[strcspn(*name, " \"\\,")] != '\0')
        lb_config_fault(loader->faults, &at,
                        "hostname must be at most 255 bytes without blanks, commas, quotes and backslashes");
    else if (strcmp(*name, image_name) == 0)
        lb_config_warn(
            loader->faults, &at,
            "hostname is %s, as on every device of that image: in [agent] set hostname = %%serial, "
            "%%machine_id or @/path to tell them apart",
            image_name);
    return 0;
}

static int expand_input(struct lb_loader *loader, struct lb_input_config *input,
                        const struct lb_section_seen *seen)
{
    struct lb_origin at = lb_config_origin(loader, seen, LB_SECTION_INPUT, "units");
    int rc = lb_config_expand(loader, &input->units, "units", &at);

    return rc == -ENOMEM ? rc : expand_tags(loader, &input->tags, seen, LB_SECTION_INPUT);
}

static int expand_all(struct lb_loader *loader)
{
    struct lb_config *config = loader->config;
    int rc = expand_hostname(loader);

    if (rc == 0)
        rc = expand_tags(loader, &config->tags, &loader->fixed[LB_SECTION_AGENT], LB_SECTION_AGENT);
    for (size_t i = 0; rc == 0 && i < config->service_count; i++)
        rc = expand_tags(loader, &config->services[i].tags, &loader->services[i], LB_SECTION_SERVICE);
    for (size_t i = 0; rc == 0 && i < config->input_count; i++)
        rc = expand_input(loader, &config->inputs[i], &loader->inputs[i]);
    return rc == 0 ? lb_config_expand_remote(loader) : rc;
}

/* Staging and ring must have room for several of the longest lines. */
static void check_room(struct lb_loader *loader)
{
    const struct lb_config *config = loader->config;
    uint64_t line_bytes = longest_line_bytes(config);
    struct lb_origin staging =
        lb_config_origin(loader, &loader->fixed[LB_SECTION_CAPTURE], LB_SECTION_CAPTURE, "staging");
    struct lb_origin ring =
        lb_config_origin(loader, &loader->fixed[LB_SECTION_RING], LB_SECTION_RING, "size");
    char text[32];

    lb_units_print_size(line_bytes, text, sizeof text);
    if (config->staging_bytes < STAGING_LINES_MIN * line_bytes)
        lb_config_fault(loader->faults, &staging,
                        "staging must be at least %d times the longest max_line or join_bytes, which is %s",
                        STAGING_LINES_MIN, text);
    if (config->ring_bytes < RING_LINES_MIN * (line_bytes + RECORD_HEAD_MAX))
        lb_config_fault(loader->faults, &ring,
                        "size must be more than %d times the longest max_line or join_bytes, which is %s (%d "
                        "bytes more for each)",
                        RING_LINES_MIN, text, RECORD_HEAD_MAX);
    for (size_t i = 1; i < config->sink_count; i++) {
        struct lb_origin queue = lb_config_origin(loader, &loader->sinks[i], LB_SECTION_SINK, "queue");

        if (config->sinks[i].queue_bytes < RING_LINES_MIN * (line_bytes + RECORD_HEAD_MAX))
            lb_config_fault(
                loader->faults, &queue,
                "queue must be more than %d times the longest max_line or join_bytes, which is %s "
                "(%d bytes more for each)",
                RING_LINES_MIN, text, RECORD_HEAD_MAX);
    }
}

static void check_metrics(struct lb_loader *loader)
{
    const struct lb_section_seen *seen = &loader->fixed[LB_SECTION_METRICS];
    struct lb_origin at = lb_config_origin(loader, seen, LB_SECTION_METRICS, "listen");
    struct lb_listen_address address;
    const char *why;

    if (lb_listen_parse(loader->config->metrics_listen, &address, &why) < 0)
        lb_config_fault(loader->faults, &at, "listen %s", why);
}

/* What lies in RAM is not there after a power cut, which is what a spool is for. */
static void check_spool(struct lb_loader *loader)
{
    const struct lb_config *config = loader->config;
    size_t len = strlen(config->runtime_dir);
    struct lb_origin at =
        lb_config_origin(loader, &loader->fixed[LB_SECTION_SPOOL], LB_SECTION_SPOOL, "path");

    if (config->has_spool && strncmp(config->spool_path, config->runtime_dir, len) == 0 &&
        config->spool_path[len] == '/')
        lb_config_fault(loader->faults, &at,
                        "path is below runtime_dir, and what lies there goes with a reboot");
}

static void check_wear(struct lb_loader *loader)
{
    struct lb_origin at =
        lb_config_origin(loader, &loader->fixed[LB_SECTION_WEAR], LB_SECTION_WEAR, "devices");

    if (strchr(loader->config->wear_devices, '/') || strchr(loader->config->wear_devices, ','))
        lb_config_fault(loader->faults, &at,
                        "devices takes names as in /sys/block, parted by blanks, like mmcblk0 sda");
}

int lb_config_complete(struct lb_loader *loader)
{
    struct lb_config *config = loader->config;
    struct lb_origin whole = { config->file, 0 };
    int rc;

    rc = lb_config_order_sinks(loader);
    if (rc == 0)
        rc = inherit(loader);
    if (rc == 0)
        rc = expand_all(loader);
    if (rc == 0)
        rc = lb_config_complete_sinks(loader);
    if (rc != 0)
        return rc;

    /* A refused value or an unreadable line leaves defaults behind, and they prove nothing. */
    if (loader->is_broken)
        return 0;
    if (config->sink_count == 0)
        lb_config_fault(loader->faults, &whole, "no [sink NAME] section: the lines would have nowhere to go");
    if (loader->refused_count > 0)
        return 0;
    check_room(loader);
    check_spool(loader);
    check_wear(loader);
    check_metrics(loader);
    lb_config_check_sinks(loader);
    lb_config_check_remote(loader);
    return lb_config_complete_inputs(loader);
}
