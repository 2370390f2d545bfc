/* Does one thing with files, as the words say, and tells what comes of it; see files.c. */
int work_on_files(int count, char **words);
