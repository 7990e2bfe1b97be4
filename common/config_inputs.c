/* SPDX-License-Identifier: MIT */
/*
 * [input NAME] as a whole. In: all their keys, expanded. Out: the same, with what a key takes from another,
 * and faults where keys do not go together. Always true: an input that passed has what its type needs and
 * nothing that its type would not look at, and no two inputs read the same thing.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_load.h"
#include "common/proto.h"

struct subject {
    struct lb_loader *loader;
    struct lb_input_config *input;
    const struct lb_section_seen *seen;
};

static struct lb_origin origin(const struct subject *subject, const char *key)
{
    return lb_config_origin(subject->loader, subject->seen, LB_SECTION_INPUT, key);
}

/* Was it set, and not to nothing? */
static bool says_something(const struct subject *subject, const struct lb_key *key, size_t index)
{
    const char *text;

    if (subject->seen->set[index].line == 0 || !lb_key_is_text(key))
        return subject->seen->set[index].line > 0;
    memcpy(&text, (const char *)subject->input + key->offset, sizeof text);
    return text[0] != '\0';
}

/* A key of the other type is a mistake about what is read, not a setting to spare. */
static void check_idle_keys(const struct subject *subject)
{
    size_t count;
    const struct lb_key *keys = lb_keys(&count);

    for (size_t i = 0; i < count; i++)
        if (keys[i].section == LB_SECTION_INPUT && !lb_key_is_for(&keys[i], subject->input->type) &&
            says_something(subject, &keys[i], i))
            lb_config_fault(subject->loader->faults, &subject->seen->set[i],
                            "%s does not go with type = %s: it belongs to an input of type %s", keys[i].name,
                            subject->input->type, keys[i].sink_type);
}

static void check_service(const struct subject *subject)
{
    const char *service = subject->input->service;
    struct lb_origin at = origin(subject, "service");

    if (service[0] != '\0' && !lb_service_name_is_legal(service, strlen(service)))
        lb_config_fault(subject->loader->faults, &at, "service must be 1 to 128 of A-Z a-z 0-9 . _ / @ : -");
}

/* What systemd takes in a unit's name, and what fnmatch(3) adds. */
static bool is_unit_pattern(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr(":_.\\@*?[]!-", text[i]))
            return false;
    return len > 0 && text[0] != '-';
}

static void check_units(const struct subject *subject)
{
    struct lb_origin at = origin(subject, "units");
    const char *text = subject->input->units;
    unsigned count = 0;

    while (*(text += strspn(text, " \t")) != '\0') {
        size_t len = strcspn(text, " \t");

        if (!is_unit_pattern(text, len) || len > LB_NAME_MAX) {
            lb_config_fault(subject->loader->faults, &at,
                            "units must be names of units, like nginx or getty@*.service, parted by blanks");
            return;
        }
        text += len;
        count++;
    }
    if (count > LB_INPUT_UNITS_MAX)
        lb_config_fault(subject->loader->faults, &at, "units has more than %d names", LB_INPUT_UNITS_MAX);
}

/* What is read twice is sent twice. */
static void check_twice(const struct subject *subject)
{
    const struct lb_config *config = subject->loader->config;
    struct lb_origin at = origin(subject, subject->input->path[0] ? "path" : "type");

    for (const struct lb_input_config *other = config->inputs; other < subject->input; other++) {
        if (strcmp(other->type, subject->input->type) != 0 ||
            strcmp(other->path, subject->input->path) != 0 ||
            strcmp(other->units, subject->input->units) != 0)
            continue;
        lb_config_fault(subject->loader->faults, &at, "[input %s] reads the same already", other->name);
        return;
    }
}

static int complete(const struct subject *subject)
{
    struct lb_input_config *input = subject->input;
    struct lb_origin at = origin(subject, "type");
    bool is_file = strcmp(input->type, "file") == 0;

    if (input->type[0] == '\0') {
        lb_config_fault(subject->loader->faults, &at, "[input %s] needs a type: file or journal",
                        input->name);
        return 0;
    }
    check_idle_keys(subject);
    if (is_file && input->path[0] == '\0')
        lb_config_fault(subject->loader->faults, &at, "[input %s] is of type file and needs a path",
                        input->name);
    check_service(subject);
    check_units(subject);
    check_twice(subject);
    if (is_file && input->service[0] == '\0') {
        free(input->service);
        input->service = strdup(input->name);
    }
    return input->service ? 0 : -ENOMEM;
}

int lb_config_complete_inputs(struct lb_loader *loader)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < loader->config->input_count; i++) {
        struct subject subject = { loader, &loader->config->inputs[i], &loader->inputs[i] };

        rc = complete(&subject);
    }
    return rc;
}
