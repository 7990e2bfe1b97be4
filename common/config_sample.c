/* SPDX-License-Identifier: MIT */
/*
 * The sample file. In: the key table. Out: conf/logboom.ini, byte for byte.
 * Always true: as printed it loads, and a line that starts with "#" and a
 * letter becomes the default when the # is taken away.
 */
#include <stdio.h>
#include <string.h>

#include "common/config_load.h"

#define WIDTH 100 /* of a comment */

static const char head[] =
    "logboom, the log shipper that keeps the SD card dry. This file is /etc/logboom/logboom.ini; files named "
    "conf.d/*.ini beside it are read after it, in the order of their names, and override it key by key.\n"
    "Only = separates. A comment has a line of its own. Sizes are 64K or 8M, durations 500ms, 30s or 5m. "
    "Levels are emergency, alert, critical, error, warning, notice, info and debug.\n"
    "Each key is shown with its default: take the # away and change it. `logboomd -t` checks the result, "
    "`systemctl reload logboomd` brings it into effect.";

/* Print text as comment lines, broken at blanks; \n starts a paragraph. */
static void print_comment(FILE *out, const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, "\n");

        if (len > WIDTH - 2) {
            len = WIDTH - 2;
            while (len > 1 && text[len] != ' ')
                len--;
        }
        fprintf(out, "# %.*s\n", (int)len, text);
        text += len;
        if (*text == '\n')
            fprintf(out, "#\n");
        if (*text != '\0')
            text++;
    }
}

/* What may be written, and when it takes effect: " (256 to 128K; from the next start on)". */
static void add_limits(const struct lb_key *key, char *text, size_t size)
{
    bool is_ranged = (key->type <= LB_KEY_BOOL && key->type != LB_KEY_RATE) || key->type == LB_KEY_CHOICE ||
                     key->type == LB_KEY_WORD;
    char range[128] = "";
    const char *parts[] = {
        is_ranged ? lb_key_print_range(key, range, sizeof range) : NULL,
        key->off_means,
        key->auto_means,
        key->reload == LB_RELOAD_RESTART ? "from the next start on" : NULL,
    };
    size_t used = strlen(text);
    const char *before = " (";

    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && used < size; i++) {
        if (!parts[i])
            continue;
        used += (size_t)snprintf(text + used, size - used, "%s%s%s", before,
                                 parts[i] == key->off_means    ? "off: "
                                 : parts[i] == key->auto_means ? "auto: "
                                                               : "",
                                 parts[i]);
        before = "; ";
    }
    if (before[0] == ';' && used < size)
        snprintf(text + used, size - used, ")");
}

static void print_key(FILE *out, const struct lb_key *key, bool is_example)
{
    bool is_set = key->sample && !is_example;
    const char *value = is_set ? key->sample : key->example ? key->example : key->dflt;
    char text[1024];

    snprintf(text, sizeof text, "%s", key->help);
    add_limits(key, text, sizeof text);
    print_comment(out, text);
    fprintf(out, "%s%s =%s%s\n", is_set ? "" : "#", key->name, *value ? " " : "", value);
}

static void print_section(FILE *out, enum lb_key_section section)
{
    const struct lb_key_section_info *info = lb_key_section_info(section);
    size_t count;
    const struct lb_key *keys = lb_keys(&count);

    fprintf(out, "\n\n");
    print_comment(out, info->intro);
    fprintf(out, "%s[%s%s%s]\n", info->is_commented ? "#" : "", info->name, info->sample_name ? " " : "",
            info->sample_name ? info->sample_name : "");
    for (size_t i = 0; i < count; i++) {
        if (keys[i].section != section)
            continue;
        fprintf(out, "\n");
        print_key(out, &keys[i], info->is_commented);
    }
    if (section != LB_SECTION_SERVICE)
        return;
    fprintf(out, "\n");
    print_comment(out, "And of [capture], [throttle] and [redact], where this service differs:");
    for (size_t i = 0; i < count; i++)
        if (keys[i].is_per_service)
            fprintf(out, "#%s = %s\n", keys[i].name,
                    keys[i].type == LB_KEY_RULES ? keys[i].example : keys[i].dflt);
}

void lb_config_print_sample(FILE *out)
{
    print_comment(out, head);
    for (int section = 0; section < LB_SECTION_COUNT; section++)
        print_section(out, section);
}
