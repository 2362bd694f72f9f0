#!/bin/sh
# Prints a C header with the built page as bytes. embed.sh FOLDER, the one that build.mjs wrote; without one, no page.
echo '/* Made from the built page by web/ui/embed.sh. */'
n=0
for name in $([ -z "$1" ] || cat "$1/list"); do
    echo "static const unsigned char ui_bytes_$n[] = {"
    od -An -v -tu1 "$1/$name.gz" | sed 's/  */,/g; s/^,//; s/$/,/'
    echo '};'
    rows="$rows    {\"$name\", ui_bytes_$n, sizeof(ui_bytes_$n)},
"
    n=$((n + 1))
done
echo "static const size_t n_ui_files = $n; /* a constant 0 would make comparisons with it odd */"
echo '#define N_UI_FILES n_ui_files'
echo 'static const struct ui_file ui_files[] = {'
printf '%s' "$rows"
echo '    {NULL, NULL, 0},'
echo '};'
