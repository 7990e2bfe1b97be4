/* SPDX-License-Identifier: MIT */
/*
 * The manual page of the INI. In: the key table. Out: packaging/man/logboom.ini.5, byte for byte, in mdoc(7).
 * Always true: texts of the table are escaped, so that none of them can become a macro; what the page says of
 * a key is what its row says. What no row can tell (syntax, expansion, examples) stands in
 * config_manual_text.c.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/config_load.h"

/* One character as mdoc(7) prints it as it is: no dash, quote or accent becomes another. */
static void print_char(FILE *out, char c)
{
    static const struct {
        char c;
        const char *text;
    } special[] = { { '\\', "\\e" },  { '-', "\\-" },   { '\'', "\\(aq" }, { '"', "\\(dq" },
                    { '`', "\\(ga" }, { '^', "\\(ha" }, { '~', "\\(ti" } };

    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++)
        if (special[i].c == c) {
            fputs(special[i].text, out);
            return;
        }
    fputc(c, out);
}

/* Does a sentence end here, before the blank at text? */
static bool is_sentence_end(const char *start, const char *text)
{
    return text > start + 1 && text[-1] == '.' && text[-2] != '.' && text[0] == ' ' && text[1] >= 'A' &&
           text[1] <= 'Z';
}

/* Running text: a line for each sentence, the last one without a newline. */
static void print_text(FILE *out, const char *text)
{
    const char *start = text;
    bool is_first = true;

    for (; *text != '\0'; text++) {
        if (is_first && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        is_first = is_sentence_end(start, text);
        if (is_first)
            fputc('\n', out);
        else
            print_char(out, *text);
    }
}

/* The argument of a macro, which would take a word like "Xr" or a lone "." for more than text. */
static void print_word(FILE *out, const char *text)
{
    bool is_plain = (*text >= 'a' && *text <= 'z') || (*text >= '0' && *text <= '9') || *text == '/';

    fputs(is_plain ? "\"" : "\"\\&", out);
    for (; *text != '\0'; text++)
        print_char(out, *text);
    fputc('"', out);
}

static const char *type_name(const struct lb_key *key)
{
    static const char *const names[] = {
        [LB_KEY_NUMBER] = "A number",     [LB_KEY_SIZE] = "A size",
        [LB_KEY_DURATION] = "A duration", [LB_KEY_RATE] = "A rate",
        [LB_KEY_PERCENT] = "A share",     [LB_KEY_SHARE] = "A share",
        [LB_KEY_QUOTA] = "A quota",       [LB_KEY_BOOL] = "A switch",
        [LB_KEY_LEVEL] = "A level",       [LB_KEY_RULES] = "A text",
        [LB_KEY_CHOICE] = "A word",       [LB_KEY_WORD] = "A word",
        [LB_KEY_TEXT] = "A word",         [LB_KEY_TEMPLATE] = "A text with names to expand",
        [LB_KEY_PATH] = "A path",         [LB_KEY_URL] = "An address",
        [LB_KEY_HOST] = "A host name",    [LB_KEY_PHRASE] = "A text",
    };

    return names[key->type];
}

/* "A size: 64K to 8M. Default" and what it is. */
static void print_form(FILE *out, const struct lb_key *key)
{
    bool has_range = key->type != LB_KEY_LEVEL && key->type != LB_KEY_PATH && key->type != LB_KEY_URL;
    char range[128];

    fprintf(out, "%s", type_name(key));
    if (has_range && lb_key_print_range(key, range, sizeof range)[0] != '\0') {
        fputs(": ", out);
        print_text(out, range);
    }
    if (key->type > LB_KEY_WORD && key->max > 0)
        fprintf(out, ", at most %llu bytes", (unsigned long long)key->max);
    fputs(".\n", out);
    if (key->type == LB_KEY_RULES) {
        fputs("For example\n.Ql ", out);
        print_word(out, key->example);
        fputs(" .\n", out);
    } else if (key->dflt[0] != '\0') {
        fputs("Default:\n.Ql ", out);
        print_word(out, key->dflt);
        fputs(" .\n", out);
    } else {
        fputs(key->is_required ? "It must be set.\n" : "Not set by default.\n", out);
    }
}

/* "a|b|c" as "a, b or c", one line of the page's source. */
static void print_types(FILE *out, const char *types)
{
    fputs("Looked at where\n.Cm type\nis\n.Cm", out);
    for (size_t len; *types; types += len + (types[len] == '|')) {
        len = strcspn(types, "|");
        fprintf(out, " %.*s", (int)len, types);
        if (types[len])
            fputs(strchr(types + len + 1, '|') ? " ," : " No or Cm", out);
    }
    fputs(" .\n", out);
}

/* ".Cm off :" and what it brings about. */
static void print_meaning(FILE *out, const char *word, const char *meaning)
{
    if (!meaning)
        return;
    fprintf(out, ".Cm %s :\n", word);
    print_text(out, meaning);
    fputs(".\n", out);
}

static void print_key(FILE *out, const struct lb_key *key)
{
    const char *name = strstr(key->name, " NAME");

    if (name)
        fprintf(out, ".It Cm %.*s Ar NAME\n", (int)(name - key->name), key->name);
    else
        fprintf(out, ".It Cm %s\n", key->name);
    print_text(out, key->help);
    fputs("\n.br\n", out);
    print_form(out, key);
    print_meaning(out, "off", key->off_means);
    print_meaning(out, "auto", key->auto_means);
    if (key->off_never) {
        fputs(".Cm off\nis refused:\n", out);
        print_text(out, key->off_never);
        fputs(".\n", out);
    }
    if (key->sink_type)
        print_types(out, key->sink_type);
    if (key->is_per_service)
        fputs("May differ by service.\n", out);
    if (key->reload == LB_RELOAD_RESTART)
        fputs("From the next start on.\n", out);
}

static void print_section(FILE *out, enum lb_key_section section)
{
    const struct lb_key_section_info *info = lb_key_section_info(section);
    size_t count;
    const struct lb_key *keys = lb_keys(&count);

    fprintf(out, ".Ss [%s%s]\n", info->name, info->sample_name ? " NAME" : "");
    print_text(out, info->intro);
    fputs("\n.Bl -tag -width Ds\n", out);
    for (size_t i = 0; i < count; i++)
        if (keys[i].section == section)
            print_key(out, &keys[i]);
    fputs(".El\n", out);
    if (section != LB_SECTION_SERVICE)
        return;
    fputs(".Pp\nAnd, where this service differs:\n", out);
    for (size_t i = 0; i < count; i++)
        if (keys[i].is_per_service)
            fprintf(out, ".Cm %.*s ,\n", (int)strcspn(keys[i].name, " "), keys[i].name);
    fputs("as above.\n", out);
}

void lb_config_print_manual(FILE *out)
{
    fputs(lb_config_manual_head, out);
    for (int section = 0; section < LB_SECTION_COUNT; section++)
        print_section(out, section);
    fputs(lb_config_manual_tail, out);
}
