/* SPDX-License-Identifier: GPL-2.0-only
 *
 * Reads a plain number where libclamav asks for "%u", and leaves everything else to libc.
 *
 * libclamav evaluates the text of each logical signature in each scan, and reads every number in it
 * with sscanf(). That sets up a stream and measures the whole rest of the text: with tens of thousands
 * of such signatures a fifth of a small object's scan. This program's functions of these names stand
 * before libc's for the libraries that it loads.
 */
#include <stdarg.h>

int libc_vsscanf(const char *text, const char *format, va_list args) __asm__("vsscanf");
int libc_isoc99_vsscanf(const char *text, const char *format, va_list args) __asm__("__isoc99_vsscanf");
/* Since glibc 2.38; nobody calls the function that needs it where it is not there. */
__attribute__((weak)) int libc_isoc23_vsscanf(const char *text, const char *format, va_list args)
    __asm__("__isoc23_vsscanf");

int own_sscanf(const char *text, const char *format, ...) __asm__("sscanf");
int own_isoc99_sscanf(const char *text, const char *format, ...) __asm__("__isoc99_sscanf");
int own_isoc23_sscanf(const char *text, const char *format, ...) __asm__("__isoc23_sscanf");

/* Whether this is "%u" and a number of at most nine digits, which cannot overflow. */
static int number(const char *text, const char *format, unsigned *value)
{
    int digits = 0;

    if (format[0] != '%' || format[1] != 'u' || format[2] != '\0')
        return 0;
    *value = 0;
    while (text[digits] >= '0' && text[digits] <= '9') {
        if (digits == 9)
            return 0;
        *value = *value * 10 + (unsigned)(text[digits] - '0');
        digits++;
    }
    return digits > 0;
}

static int isoc23_vsscanf(const char *text, const char *format, va_list args)
{
    return (libc_isoc23_vsscanf ? libc_isoc23_vsscanf : libc_isoc99_vsscanf)(text, format, args);
}

/* One function for each name: they differ in what reads anything but a plain number. */
#define OWN(name, libc)                                     \
    int name(const char *text, const char *format, ...)     \
    {                                                       \
        unsigned value;                                     \
        va_list args;                                       \
        int result = 1;                                     \
                                                            \
        va_start(args, format);                             \
        if (number(text, format, &value))                   \
            *va_arg(args, unsigned *) = value;              \
        else                                                \
            result = libc(text, format, args);              \
        va_end(args);                                       \
        return result;                                      \
    }

OWN(own_sscanf, libc_vsscanf)
OWN(own_isoc99_sscanf, libc_isoc99_vsscanf)
OWN(own_isoc23_sscanf, isoc23_vsscanf)
