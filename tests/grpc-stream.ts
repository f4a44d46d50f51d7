// Another implementation of gRPC as the other end of ours: @grpc/grpc-js, which most clients run on.
import { fromBinary, toBinary } from '@bufbuild/protobuf'
import type {
  DescMessage,
  DescMethodBiDiStreaming,
  DescMethodUnary,
  MessageShape,
} from '@bufbuild/protobuf'
import { Client, credentials, Metadata } from '@grpc/grpc-js'
import type { ServiceError } from '@grpc/grpc-js'

/** How a call ended: the gRPC status, 0 for OK, and our own code where it was refused. */
export type CallEnd = { readonly status: number; readonly code: string }
/** Every answer that came before the end. */
export type CallResult<T> = CallEnd & { readonly answers: readonly T[] }

/** A client without limits of its own, so that the limits seen are those of the server. */
export function otherClient(url: string): Client {
  return new Client(new URL(url).host, credentials.createInsecure(), {
    'grpc.max_send_message_length': -1,
    'grpc.max_receive_message_length': -1,
  })
}

/** Calls a streaming method with messages, encoded and decoded by the generated code. */
export function callStream<I extends DescMessage, O extends DescMessage>(
  client: Client,
  method: DescMethodBiDiStreaming<I, O>,
  requests: readonly MessageShape<I>[],
  headers: Readonly<Record<string, string>> = {},
): Promise<CallResult<MessageShape<O>>> {
  return stream(
    client,
    method,
    { requests, headers },
    {
      serialize: (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
      deserialize: (bytes: Buffer): MessageShape<O> =>
        fromBinary(method.output, Uint8Array.from(bytes)),
    },
  )
}

/** Calls a method with the very bytes of each message, and gives those of each answer. */
export function callStreamOfBytes(
  client: Client,
  method: DescMethodBiDiStreaming | DescMethodUnary,
  requests: readonly Uint8Array[],
  headers: Readonly<Record<string, string>> = {},
): Promise<CallResult<Buffer>> {
  return stream(
    client,
    method,
    { requests, headers },
    {
      serialize: (bytes: Uint8Array) => Buffer.from(bytes),
      deserialize: (bytes: Buffer) => bytes,
    },
  )
}

/** Calls a unary method; rejects with the gRPC error where it is refused. */
export function callUnary<I extends DescMessage, O extends DescMessage>(
  client: Client,
  method: DescMethodUnary<I, O>,
  request: MessageShape<I>,
  headers: Readonly<Record<string, string>> = {},
): Promise<MessageShape<O>> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      pathOf(method),
      (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
      (bytes: Buffer): MessageShape<O> => fromBinary(method.output, Uint8Array.from(bytes)),
      request,
      metadataOf(headers),
      (fault, answer) => {
        if (answer === undefined) reject(fault ?? new Error('neither an answer nor a fault'))
        else resolve(answer)
      },
    )
  })
}

/** The end of a call that was refused. */
export function endOf(fault: ServiceError): CallEnd {
  return { status: fault.code, code: String(fault.metadata.get('holdfast-code')[0] ?? '') }
}

function stream<I, O>(
  client: Client,
  method: DescMethodBiDiStreaming | DescMethodUnary,
  sent: { requests: readonly I[]; headers: Readonly<Record<string, string>> },
  codec: { serialize: (message: I) => Buffer; deserialize: (bytes: Buffer) => O },
): Promise<CallResult<O>> {
  return new Promise((resolve) => {
    const answers: O[] = []
    const call = client.makeBidiStreamRequest<I, O>(
      pathOf(method),
      codec.serialize,
      codec.deserialize,
      metadataOf(sent.headers),
    )
    call.on('data', (answer: O) => answers.push(answer))
    call.on('error', (fault: ServiceError) => resolve({ answers, ...endOf(fault) }))
    call.on('end', () => undefined)
    call.on('status', ({ code }: { code: number }) => {
      if (code === 0) resolve({ answers, status: 0, code: '' })
    })
    for (const request of sent.requests) call.write(request)
    call.end()
  })
}

const pathOf = (method: DescMethodBiDiStreaming | DescMethodUnary): string =>
  `/${method.parent.typeName}/${method.name}`

function metadataOf(headers: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
  return metadata
}
