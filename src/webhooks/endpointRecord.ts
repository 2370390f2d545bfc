import { catchError, defer, EMPTY, type Observable, throwError } from 'rxjs';
import type { KeptTable } from '../instances/keptTable.js';
import type { Logger } from '../instances/logger.js';
import { hasTag } from '../lifecycle/errors.js';
import type { KeptWebhook } from './keptWebhook.js';

/** What is kept of one endpoint. One write is under way at a time, and the next one has what is newest then. */
export class EndpointRecord {
  #isSaving = false;
  #isUnsaved = false;
  #isForgotten = false;

  constructor(
    private readonly id: string,
    private its: KeptWebhook,
    private readonly table: KeptTable<KeptWebhook>,
    private readonly logger: Pick<Logger, 'warn'>,
  ) {}

  get kept(): KeptWebhook {
    return this.its;
  }

  /** Changes it; it is written down with the next {@link save}. */
  change(fields: Partial<KeptWebhook>): void {
    this.its = { ...this.its, ...fields };
    this.#isUnsaved = true;
  }

  /** Writes down what has changed; where that fails, it is written with what changes next. */
  save(): void {
    if (this.#isSaving || !this.#isUnsaved || this.#isForgotten) return;
    this.#isSaving = true;
    this.flush().subscribe({
      error: (err: unknown) => {
        this.#isSaving = false;
        this.#isUnsaved = true;
        // After that it can't be written down, and is sent again by the next manager.
        if (!hasTag(err, 'ManagerClosed'))
          this.logger.warn({ webhookId: this.id, err }, 'how far a webhook came could not be kept');
      },
      complete: () => {
        this.#isSaving = false;
        this.save();
      },
    });
  }

  /** Completes once all that has changed is kept. */
  flush(): Observable<never> {
    return defer(() => {
      if (!this.#isUnsaved || this.#isForgotten) return EMPTY;
      this.#isUnsaved = false;
      return this.table.put(this.id, this.its);
    });
  }

  /** Changes it, and completes once that is kept; where it can't be, the fields are as they were. */
  keep(fields: Partial<KeptWebhook>): Observable<never> {
    return defer(() => {
      const before = Object.fromEntries(
        Object.keys(fields).map((field) => [field, this.its[field as keyof KeptWebhook]]),
      );
      this.change(fields);
      return this.flush().pipe(
        catchError((error: unknown) => {
          this.change(before);
          return throwError(() => error);
        }),
      );
    });
  }

  /** Takes it away; where that fails, it is there as before. */
  forget(): Observable<never> {
    return defer(() => {
      this.#isForgotten = true;
      return this.table.remove(this.id).pipe(
        catchError((error: unknown) => {
          this.#isForgotten = false;
          return throwError(() => error);
        }),
      );
    });
  }
}
