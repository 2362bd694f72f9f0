#!/bin/sh
# Prints a C header with every migration as one string, in order of their numbers. embed.sh FILE.sql...
echo '/* Made from schema/sql by schema/embed.sh. */'
echo 'static const char *const schema_migrations[] = {'
for file in "$@"; do
    sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/    "/' -e 's/$/\\n"/' "$file"
    echo '    ,'
done
echo '};'
