import { Observable } from 'rxjs';
import type { FileTree } from '../lifecycle/fileTree.js';

/** Work that goes on in a tree. */
interface TreeWork {
  /** Breaks it off, and resolves once nothing is done in the tree any more. Rejects never. */
  close(): Promise<void>;
}

/**
 * Begins work on a tree, and emits it; completes when that says so. An unsubscribe closes the work, and then the tree.
 *
 * @param begin - is handed what completes it
 */
export const onTree = <Work extends TreeWork>(
  tree$: Observable<FileTree>,
  begin: (tree: FileTree, complete: () => void) => Work,
): Observable<Work> =>
  new Observable((subscriber) => {
    let work: Work | undefined;
    const opened = tree$.subscribe({
      next: (tree) => {
        work = begin(tree, () => {
          subscriber.complete();
        });
        subscriber.next(work);
      },
      error: (error: unknown) => {
        subscriber.error(error);
      },
    });
    return () => {
      if (work === undefined) opened.unsubscribe();
      else
        void work.close().then(() => {
          opened.unsubscribe();
        });
    };
  });
