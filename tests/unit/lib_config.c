/* SPDX-License-Identifier: MIT */
/* A configuration in a directory of the test's own. In: texts of files. Out: a snapshot, or faults. */
#include "tests/unit/lib_config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

char test_dir[128];
struct lb_config *test_config;
struct lb_config_faults test_faults;

const char *test_path(const char *name)
{
    static char path[192];

    snprintf(path, sizeof path, "%s/%s", test_dir, name);
    return path;
}

void test_write(const char *name, const char *text)
{
    FILE *file = fopen(test_path(name), "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

int test_make_dir(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    snprintf(test_dir, sizeof test_dir, "%s/logboom-config-XXXXXX", base ? base : "/dev/shm");
    if (!mkdtemp(test_dir))
        return -1;
    unsetenv("DD_API_KEY");
    unsetenv("CREDENTIALS_DIRECTORY");
    return mkdir(test_path("conf.d"), 0700);
}

int test_remove_dir(void **state)
{
    static const char *const names[] = { "conf.d/10-a.ini", "conf.d/9-b.ini", "conf.d/.hidden.ini",
                                         "conf.d/note.txt", "main.ini",       "key",
                                         "api_key",         "a.api_key",      "part" };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlink(test_path(names[i]));
    rmdir(test_path("conf.d"));
    lb_config_free(test_config);
    test_config = NULL;
    lb_config_faults_free(&test_faults);
    return rmdir(test_dir);
}

int test_load(enum lb_config_mode mode)
{
    lb_config_free(test_config);
    test_config = NULL;
    lb_config_faults_free(&test_faults);
    return lb_config_load(test_path("main.ini"), mode, &test_config, &test_faults);
}

const struct lb_config *test_config_of(const char *text)
{
    test_write("main.ini", text);
    if (test_load(LB_CONFIG_CHECK) != 0)
        fail_msg("%s", test_faults.text[0]);
    return test_config;
}

/* Join messages, a line each, with DIR for the directory. */
static const char *joined(char *const *texts, size_t count)
{
    static char out[65536];
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        const char *text = texts[i];
        const char *where;

        while ((where = strstr(text, test_dir)) != NULL) {
            len += (size_t)snprintf(out + len, sizeof out - len, "%.*sDIR", (int)(where - text), text);
            text = where + strlen(test_dir);
        }
        len += (size_t)snprintf(out + len, sizeof out - len, "%s\n", text);
        assert_true(len < sizeof out);
    }
    return out;
}

const char *test_faults_of(const char *text)
{
    test_write("main.ini", text);
    assert_int_equal(test_load(LB_CONFIG_CHECK), -EINVAL);
    assert_null(test_config);
    return test_faults_text();
}

const char *test_faults_text(void)
{
    return joined(test_faults.text, test_faults.count);
}

const char *test_warnings_of(const char *text)
{
    test_config_of(text);
    return joined(test_faults.warnings, test_faults.warning_count);
}

void test_refused(const char *lines, const char *why)
{
    char text[1024], want[1024];

    snprintf(text, sizeof text, "%s\n%s", lines, strstr(lines, "[sink") ? "" : TEST_SINK);
    snprintf(want, sizeof want, "DIR/main.ini:2: %s\n", why);
    assert_string_equal(test_faults_of(text), want);
}
