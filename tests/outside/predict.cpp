// predict MODEL.onnx WIDTH HEIGHT < PHOTO.rgb: prints the probability of dog.
// The photo is made ready as the file's metadata say: here, where it is larger than the square.
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

// How much of the old pixel `at` the new pixel `i` covers, along one axis.
static double covered(int at, int i, double step) {
  return std::min(at + 1.0, (i + 1) * step) - std::max<double>(at, i * step);
}

static std::vector<float> square(const std::vector<unsigned char>& photo, int width, int height,
                                 int size) {
  const double across = double(width) / size, down = double(height) / size;
  std::vector<float> made;
  for (int y = 0; y < size; ++y)
    for (int x = 0; x < size; ++x)
      for (int colour = 0; colour < 3; ++colour) {
        double sum = 0;
        for (int row = int(y * down); row < std::min<double>(height, (y + 1) * down); ++row)
          for (int column = int(x * across); column < std::min<double>(width, (x + 1) * across);
               ++column)
            sum += covered(row, y, down) * covered(column, x, across) *
                   photo[(std::size_t(row) * width + column) * 3 + colour];
        made.push_back(float(std::lround(sum / (across * down))));
      }
  return made;
}

int main(int, char** arguments) {
  const int width = std::atoi(arguments[2]), height = std::atoi(arguments[3]);
  std::vector<unsigned char> photo(std::size_t(width) * height * 3);
  if (std::fread(photo.data(), 1, photo.size(), stdin) != photo.size()) return 1;

  Ort::Env env;
  Ort::Session session(env, arguments[1], Ort::SessionOptions());
  const auto size = session.GetInputTypeInfo(0).GetTensorTypeAndShapeInfo().GetShape()[1];
  if (std::min(width, height) <= size) return 1;  // would have to be enlarged

  auto values = square(photo, width, height, int(size));
  const int64_t shape[] = {1, size, size, 3};
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  const auto input =
      Ort::Value::CreateTensor<float>(memory, values.data(), values.size(), shape, 4);
  const char *taken[] = {"photo"}, *given[] = {"probabilities"};
  const auto answer = session.Run(Ort::RunOptions(), taken, &input, 1, given, 1);
  std::printf("%.9g\n", answer[0].GetTensorData<float>()[1]);
}
