/** Photos from this device: in a phone's browser its camera, elsewhere a file. */

export interface Photo {
  /** To show it. */
  address: string;
  /** To send it. */
  form: () => FormData;
}

function chooseFile(): Promise<File | undefined> {
  const input = document.createElement('input');
  input.type = 'file';
  input.accept = 'image/*';
  // The vehicle stands in front of the rider: the camera, not an old picture.
  input.setAttribute('capture', 'environment');
  return new Promise((resolve) => {
    input.addEventListener('change', () => resolve(input.files?.[0]));
    input.addEventListener('cancel', () => resolve(undefined));
    input.click();
  });
}

/** Undefined when the rider chose none. */
export async function takePhoto(): Promise<Photo | undefined> {
  const file = await chooseFile();
  if (!file) return undefined;
  return {
    address: URL.createObjectURL(file),
    form: () => {
      const form = new FormData();
      form.append('photo', file, file.name || 'photo.jpg');
      return form;
    },
  };
}
