/* SPDX-License-Identifier: MIT */
/* Answers to commands from afar. In: a command and what became of it. Out: one JSON object. Always true: it
 * is no longer than LB_MQTT_MESSAGE_MAX. */
#include "agent/control/remote_reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/control/request.h"
#include "agent/ship/sinks/sink.h"
#include "common/json.h"

#define HEAD_MAX   4096 /* all but the object: id, host and outcome as \u00xx */
#define OBJECT_MAX (LB_MQTT_MESSAGE_MAX - HEAD_MAX)

static void refuse(struct lb_remote_outcome *outcome, const char *why)
{
    outcome->is_refused = true;
    snprintf(outcome->text, sizeof outcome->text, "%s", why);
}

/* Print into memory. NULL: out of memory, or refused, and then it is said why. */
static char *print(const struct lb_status_source *source, enum lb_remote_name name, uint64_t now_ns,
                   size_t *ret_len, const char **ret_why)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_len);

    *ret_why = "out of memory";
    if (!out)
        return NULL;
    if (name == LB_REMOTE_STATUS) {
        lb_request_status(source, "json", now_ns, out);
        *ret_why = NULL;
    } else {
        *ret_why = lb_request_wear(source, "json", now_ns, out);
    }
    if (fclose(out) != 0 || *ret_why) {
        free(text);
        return NULL;
    }
    while (*ret_len > 0 && text[*ret_len - 1] == '\n')
        (*ret_len)--;
    return text;
}

void lb_remote_reply_object(const struct lb_status_source *source, const struct lb_remote_command *command,
                            uint64_t now_ns, struct lb_remote_outcome *outcome)
{
    struct lb_status_source reduced = *source;
    const char *why;

    if (command->name != LB_REMOTE_STATUS && command->name != LB_REMOTE_WEAR)
        return;
    reduced.is_reduced = true;
    outcome->object = print(source, command->name, now_ns, &outcome->object_len, &why);
    if (outcome->object && outcome->object_len > OBJECT_MAX && command->name == LB_REMOTE_STATUS) {
        free(outcome->object);
        outcome->object = print(&reduced, command->name, now_ns, &outcome->object_len, &why);
        outcome->is_reduced = outcome->object != NULL;
    }
    if (outcome->object && outcome->object_len > OBJECT_MAX) {
        free(outcome->object);
        outcome->object = NULL;
        why = "the answer is longer than a message may be";
    }
    if (outcome->object)
        snprintf(outcome->text, sizeof outcome->text, "answered%s",
                 outcome->is_reduced ? ", without services" : "");
    else
        refuse(outcome, why ? why : "out of memory");
}

static void put_text(FILE *out, const char *key, const char *text)
{
    char escaped[6 * 256 + 64];
    size_t len = strnlen(text, 255);

    fprintf(out, ",\"%s\":\"%.*s\"", key, (int)(lb_json_escape(escaped, text, len) - escaped), escaped);
}

char *lb_remote_reply(const char *host, const struct lb_remote_command *command,
                      struct lb_remote_outcome *outcome, size_t *ret_len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_len);

    if (!out) {
        free(outcome->object);
        outcome->object = NULL;
        return NULL;
    }
    fprintf(out, command->id[0] ? "{\"id\":\"%s\"" : "{\"id\":null", command->id);
    fprintf(out, command->name >= 0 ? ",\"command\":\"%s\"" : ",\"command\":null",
            lb_remote_name_text(command->name));
    put_text(out, "host", host);
    fprintf(out, ",\"ok\":%s", outcome->is_refused ? "false" : "true");
    put_text(out, "outcome", outcome->text);
    if (outcome->has_lines)
        fprintf(out, ",\"lines\":%llu", (unsigned long long)outcome->lines);
    if (outcome->is_reduced)
        fputs(",\"reduced\":true", out);
    if (outcome->object) {
        fprintf(out, ",\"%s\":", lb_remote_name_text(command->name));
        fwrite(outcome->object, 1, outcome->object_len, out);
    }
    fputc('}', out);
    free(outcome->object);
    outcome->object = NULL;
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
