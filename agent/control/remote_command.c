/* SPDX-License-Identifier: MIT */
/*
 * Commands from afar, read. In: bytes that anybody may have sent. Out: a command of an enumerated few, or why
 * it is none. Always true: a text in a command has passed the test of its kind; what is not asked for is
 * refused, so that no command means more than it says.
 */
#include "agent/control/remote_command.h"

#include <stdbool.h>
#include <string.h>

#include "common/json_scan.h"
#include "common/level.h"
#include "common/units.h"
#include "common/utf8.h"

#define FOR_TEXT_MAX 24

enum member { ID, COMMAND, SERVICE, LEVEL, FOR, WHO, EXPIRES, MEMBERS };

static const char *const keys[MEMBERS] = { "id", "command", "service", "level", "for", "who", "expires" };

/* Which each takes, and needs, beside id and command; who and expires may stand in all. */
#define BIT(member) (1u << (member))
static const unsigned needs[LB_REMOTE_NAMES] = {
    [LB_REMOTE_CONTEXT] = BIT(SERVICE),
    [LB_REMOTE_LEVEL] = BIT(SERVICE) | BIT(LEVEL) | BIT(FOR),
    [LB_REMOTE_STATUS] = 0,
    [LB_REMOTE_WEAR] = 0,
};

/* ---- values ---- */

static bool is_id(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '.' || c == '_' ||
              c == ':' || c == '-'))
            return false;
    }
    return len > 0;
}

/* UTF-8 without what a terminal would act on. */
static bool is_plain(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)text[i];
        size_t more = c > 0x7f ? lb_utf8_length(text + i, len - i) : 1;

        if (c < ' ' || c == 0x7f || more == 0 || (c == 0xc2 && (unsigned char)text[i + 1] < 0xa0))
            return false;
        i += more;
    }
    return true;
}

static const char *read_time(const char *text, uint64_t *ret_ms)
{
    if (lb_units_duration(text, ret_ms) < 0)
        return "for takes a duration, as 10m; 0s takes a level back";
    return NULL;
}

static const char *take_text(struct lb_remote_command *command, enum member member, const char *text,
                             size_t len)
{
    switch (member) {
    case ID:
        if (!is_id(text, len) || len > LB_REMOTE_ID_MAX)
            return "id takes 1 to 64 letters, digits and . _ : -";
        memcpy(command->id, text, len + 1);
        return NULL;
    case COMMAND:
        command->name = lb_remote_name_find(text, len);
        return command->name < 0 ? "there is no such command" : NULL;
    case SERVICE:
        if (!lb_service_name_is_legal(text, len))
            return "that cannot be the name of a service";
        memcpy(command->service, text, len + 1);
        return NULL;
    case LEVEL:
        command->level = lb_level_parse(text, len);
        return command->level < 0 ? "there is no such level" : NULL;
    case FOR:
        return len > FOR_TEXT_MAX || strlen(text) != len ? "for is too long"
                                                         : read_time(text, &command->for_ms);
    case WHO:
        if (len > LB_REMOTE_WHO_MAX || !is_plain(text, len))
            return "who takes at most 64 bytes of text";
        memcpy(command->who, text, len + 1);
        return NULL;
    case EXPIRES:
    case MEMBERS:
        break;
    }
    return "expires takes seconds since 1970";
}

static const char *take_number(struct lb_remote_command *command, const char *text, size_t len)
{
    char digits[FOR_TEXT_MAX];

    if (len >= sizeof digits)
        return "expires takes seconds since 1970";
    memcpy(digits, text, len);
    digits[len] = '\0';
    return lb_units_number(digits, &command->expires_s) < 0 || command->expires_s == 0
               ? "expires takes seconds since 1970"
               : NULL;
}

/* ---- members ---- */

static enum member find_key(const struct lb_json_member *member)
{
    for (int i = 0; !member->key_has_escape && i < MEMBERS; i++)
        if (strlen(keys[i]) == member->key_len && memcmp(keys[i], member->key, member->key_len) == 0)
            return (enum member)i;
    return MEMBERS;
}

static const char *take_member(struct lb_remote_command *command, const struct lb_json_member *member,
                               unsigned *seen)
{
    char text[LB_REMOTE_COMMAND_MAX + 1];
    enum member which = find_key(member);
    ssize_t len;

    if (which == MEMBERS)
        return "a command knows id, command, service, level, for, who and expires";
    if (*seen & BIT(which))
        return "one member stands there twice";
    *seen |= BIT(which);
    if (which == EXPIRES && member->kind == LB_JSON_WORD)
        return take_number(command, member->value, member->value_len);
    if (member->kind != LB_JSON_STRING)
        return which == EXPIRES ? "expires takes seconds since 1970" : "all but expires are strings";
    len = lb_json_unescape(text, sizeof text - 1, member->value, member->value_len);
    if (len < 0)
        return "a string has an escape that is none";
    text[len] = '\0';
    return take_text(command, which, text, (size_t)len);
}

static const char *check_members(const struct lb_remote_command *command, unsigned seen)
{
    unsigned of_command = seen & (BIT(SERVICE) | BIT(LEVEL) | BIT(FOR));

    if (!(seen & BIT(ID)))
        return "a command needs an id";
    if (!(seen & BIT(COMMAND)))
        return "a command needs a command";
    if (of_command == needs[command->name])
        return NULL;
    switch ((enum lb_remote_name)command->name) {
    case LB_REMOTE_CONTEXT:
        return "context takes a service, and no more";
    case LB_REMOTE_LEVEL:
        return "level takes service, level and for";
    case LB_REMOTE_STATUS:
    case LB_REMOTE_WEAR:
    case LB_REMOTE_NAMES:
        break;
    }
    return "status and wear take nothing";
}

const char *lb_remote_command_read(const char *text, size_t len, struct lb_remote_command *ret_command)
{
    static const char no_object[] = "a command is one JSON object of at most 512 bytes";
    struct lb_json_scan scan;
    struct lb_json_member member;
    const char *why = NULL;
    unsigned seen = 0;

    *ret_command = (struct lb_remote_command) { .name = -1, .level = -1 };
    if (len > LB_REMOTE_COMMAND_MAX || !lb_json_scan_begin(&scan, text, len))
        return no_object;
    while (lb_json_scan_next(&scan, &member)) {
        const char *fault = take_member(ret_command, &member, &seen);

        why = why ? why : fault; /* what stands behind may tell whom to answer */
    }
    if (scan.is_broken)
        return no_object;
    for (const char *at = scan.at; at < scan.end; at++)
        if (!strchr(" \t\r\n", *at) || *at == '\0')
            return no_object;
    return why ? why : check_members(ret_command, seen);
}
