import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { sharedSchemas } from './answerSchemas.js';
import { version } from './version.js';

/** By this name the document is asked for; that of the application, if it has one, has another. */
export const documentDecorator = 'rxInstancesDocument';

/** Makes the document of the routes that are added from now on. */
export async function describeRoutes(app: FastifyInstance, hasTokens: boolean): Promise<void> {
  await app.register(swagger, {
    // The plugin's types know its usual name only.
    decorator: documentDecorator as 'swagger',
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'rx-instances',
        version,
        description: 'hypeman’s API for instances and snapshots, as this server has it',
      },
      ...(hasTokens && {
        components: {
          securitySchemes: { bearerAuth: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
        },
        security: [{ bearerAuth: [] }],
      }),
    },
    refResolver: { buildLocalReference: ({ $id }, _, __, index) => nameOf($id, index) },
  });
  for (const [name, schema] of Object.entries(sharedSchemas)) app.addSchema({ $id: name, ...schema });
}

const nameOf = (id: unknown, index: number): string =>
  typeof id === 'string' ? id : `schema${String(index)}`;
